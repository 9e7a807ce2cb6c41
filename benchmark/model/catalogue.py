"""The backbones there are: their names, sizes, strides and what their images are normalised by."""

from __future__ import annotations

import difflib

from benchmark.config.recipe import Recipe
from benchmark.errors import RequestError

NARROW = "narrow"

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of images in [0, 1], per channel."""
_NORMALISATIONS: dict[str, Normalisation] = {
    "none": ((0.0,) * 3, (1.0,) * 3), "half": ((0.5,) * 3, (0.5,) * 3),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}


def require_known(backbone: str) -> None:
    """Raise `RequestError`, with the nearest names, when there is no such backbone."""
    if backbone == NARROW:
        return
    import timm  # as it takes its time, only by those who need it

    if not timm.is_model(backbone):
        near = difflib.get_close_matches(backbone, [*timm.list_models(), NARROW], n=3)
        raise RequestError(f"unknown backbone '{backbone}'. "
                           + (f"Did you mean {' or '.join(near)}?" if near
                              else "lhlbench ls backbones lists them."))


def normalisation(recipe: Recipe) -> Normalisation:
    """What images are normalised by; `auto` asks timm what the backbone was pretrained with."""
    if recipe.normalise != "auto":
        return _NORMALISATIONS[recipe.normalise]
    if recipe.backbone == NARROW:
        return _NORMALISATIONS["none"]
    import timm

    found = timm.get_pretrained_cfg(recipe.backbone)
    return (tuple(found.mean), tuple(found.std)) if found else _NORMALISATIONS["imagenet"]

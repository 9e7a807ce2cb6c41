"""What backbones there are to choose from, and what each would be."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch

from benchmark.config.recipe import Recipe
from benchmark.errors import RequestError
from benchmark.model.backbones import Backbone
from benchmark.model.catalogue import NARROW
from benchmark.model.pretrained import at_hand, hub_weights

COMMON = (NARROW, "resnet18", "resnet50", "tf_efficientnet_lite0", "tf_efficientnet_lite2",
          "convnext_tiny", "pvt_v2_b0", "vit_small_patch14_dinov2", "vit_small_patch16_dinov3",
          "vit_small_patch16_224")
"""Listed unless others are asked for; timm has more than a thousand."""


@dataclass(frozen=True)
class BackboneFacts:
    """A backbone as a table shows it."""

    name: str
    strides: tuple[int, ...] = ()
    """Of its stages, finest first."""
    channels: int = 0
    """Of the features at stride 8."""
    parameters: int = 0
    weights: str = ""
    """Where pretrained weights are: a package's name, `hub cache`, `hub` when they have to be
    downloaded, empty when there are none."""
    unusable: str = ""
    """Why it cannot be a backbone; empty when it can."""


def backbone_names(pattern: str | None = None) -> list[str]:
    """The names that match a glob, or contain a word; without one, `COMMON`."""
    if pattern is None:
        return list(COMMON)
    import timm

    glob = pattern if any(letter in pattern for letter in "*?[") else f"*{pattern}*"
    return [name for name in (NARROW, *timm.list_models()) if fnmatchcase(name, glob)]


def describe_backbone(name: str) -> BackboneFacts:
    """Strides, size and weights of a backbone, made without memory for its parameters."""
    weights = at_hand(name) or ("hub" if hub_weights(name) else "")
    try:
        with torch.device("meta"):
            backbone = Backbone(Recipe(backbone=name, epochs=1, batch=1, lr=1.0))
    except RequestError as error:
        return BackboneFacts(name, weights=weights, unusable=str(error))
    return BackboneFacts(name, tuple(backbone.strides), backbone.channels,
                         sum(value.numel() for value in backbone.parameters()), weights)

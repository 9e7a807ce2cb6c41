"""Backbones from timm at stride 8, and the small default that suits two CPU cores."""

from __future__ import annotations

import difflib
import socket
from typing import Any

import timm
from torch import Tensor, nn

from benchmark.config.recipe import Recipe
from benchmark.errors import RequestError
from benchmark.model.narrow import Narrow

STRIDE = 8

_NARROW = "narrow"


class Backbone(nn.Module):
    """Images [B, 3, H, W] to features [B, `channels`, ceil(H/8), ceil(W/8)]."""

    def __init__(self, recipe: Recipe) -> None:
        """Raises `RequestError` for an unknown backbone, one without stride 8, or weights that
        are not at hand."""
        super().__init__()
        self.body, self.channels = _create(recipe.backbone, recipe.weights)

    def forward(self, images: Tensor) -> Tensor:
        stages: Tensor | list[Tensor] = self.body(images)
        return stages if isinstance(stages, Tensor) else stages[-1]


def _create(name: str, weights: str) -> tuple[nn.Module, int]:
    if weights not in ("none", "imagenet"):
        raise RequestError(f"recipe.weights is '{weights}'; use none or imagenet")
    if name == _NARROW:
        if weights != "none":
            raise RequestError(f"the backbone '{name}' has no ImageNet weights; "
                               "use --set recipe.weights=none or another recipe.backbone")
        return Narrow(), Narrow.channels
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [*timm.list_models(), _NARROW], n=3)
        raise RequestError(f"unknown backbone '{name}'. "
                           + (f"Did you mean {' or '.join(near)}?" if near
                              else "See timm.list_models()."))
    if weights == "imagenet":
        _require_weights(name)
    try:
        body: Any = timm.create_model(name, pretrained=weights == "imagenet", features_only=True,
                                      output_stride=STRIDE, out_indices=(-1,))
    except (TypeError, NotImplementedError, AssertionError, RuntimeError) as error:
        raise RequestError(f"backbone '{name}' cannot be built at stride {STRIDE}: {error}"
                           ) from None
    return body, body.feature_info.channels()[-1]


def _require_weights(name: str) -> None:
    """Fail at once, with one sentence, when weights are neither cached nor within reach.

    The hub client by itself retries for most of a minute before it gives up.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    source = timm.get_pretrained_cfg(name)
    if source is None or not source.hf_hub_id:
        raise RequestError(f"timm has no ImageNet weights for '{name}'; "
                           "use --set recipe.weights=none")
    files = ("model.safetensors", "pytorch_model.bin")
    if any(isinstance(try_to_load_from_cache(source.hf_hub_id, file), str) for file in files):
        return
    try:
        socket.create_connection(("huggingface.co", 443), timeout=5).close()
    except OSError:
        raise RequestError(
            f"ImageNet weights of '{name}' ({source.hf_hub_id}) are not in "
            f"{constants.HF_HUB_CACHE} and the hub cannot be reached; put them there, or train "
            "from scratch with --set recipe.weights=none") from None

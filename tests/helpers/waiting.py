"""What makes a training step wait for its device, found while the step runs."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten

WAITING = {
    aten._local_scalar_dense: "a value is read (item, bool, int or float of a tensor)",
    aten.nonzero: "the size of a result depends on the data (nonzero, indexing by a mask)",
    aten.masked_select: "the size of a result depends on the data (masked_select)",
    aten._unique2: "the size of a result depends on the data (unique)",
    aten.unique_dim: "the size of a result depends on the data (unique)",
    aten.unique_consecutive: "the size of a result depends on the data (unique_consecutive)",
    aten.repeat_interleave: "the size of a result depends on the data (repeat_interleave)",
    aten.bincount: "the size of a result depends on the data (bincount)",
    aten.equal: "whether tensors are equal is read (equal)",
    aten.is_nonzero: "a value is read (bool of a tensor)",
}
"""Operation -> why it waits, where one of its arguments lies on the device."""

_MADE_OF_VALUES = (torch.tensor, torch.as_tensor, Tensor.new_tensor)
_ROOT = Path(__file__).parents[2]


class Waits(AssertionError):
    """An operation made the step wait for its device."""


class _NoWaitingOperations(TorchDispatchMode):
    """Refuses every operation that waits for a type of device, or copies to it or from it."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        places = {tensor.device.type == self.device for tensor in tensors}
        packet = operation.overloadpacket
        if True in places:
            if packet in WAITING:
                raise Waits(WAITING[packet] + _where())
            if packet in (aten.index, aten.index_put, aten.index_put_) and any(
                    index is not None and index.dtype in (torch.bool, torch.uint8)
                    for index in args[1]):
                raise Waits("the size of a result depends on the data (indexing by a mask)"
                            + _where())
        if packet is aten._to_copy and kwargs.get("device") is not None:
            places.add(kwargs["device"].type == self.device)
        if packet in (aten._to_copy, aten.copy_) and len(places) > 1:
            raise Waits("values are copied to or from the device" + _where())
        return operation(*args, **kwargs)


class _NoNewTensors(TorchFunctionMode):
    """Refuses tensors on a type of device that are made of Python values."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if (function in _MADE_OF_VALUES and result.device.type == self.device
                and _line().name != "constant"):  # which keeps its tensors: one copy each, ever
            raise Waits("Python values are copied to the device (torch.tensor)" + _where())
        return result


@contextmanager
def never_waiting(device: str):
    """Raises `Waits` where anything waits for a type of device; on CUDA torch watches, too."""
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        with _NoWaitingOperations(device), _NoNewTensors(device):
            yield
    finally:
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def _line():
    """The line of this repository that is running."""
    frames = [frame for frame in traceback.extract_stack()
              if Path(frame.filename).is_relative_to(_ROOT) and frame.filename != __file__
              and "site-packages" not in frame.filename]
    return frames[-1]


def _where():
    frame = _line()
    return f"; {Path(frame.filename).relative_to(_ROOT)}, line {frame.lineno}: {frame.line}"

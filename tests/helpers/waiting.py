"""What makes a training step wait for its device, found while the step runs."""

from __future__ import annotations

import traceback
from pathlib import Path

import torch
from torch import Tensor
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
    aten.lift_fresh: "Python values are copied to the device (torch.tensor, new_tensor)",
}
"""Operation -> why it waits, where one of its arguments lies on the device."""

_ROOT = Path(__file__).parents[2]


class Waits(AssertionError):
    """An operation made the step wait for its device."""


class NeverWaiting(TorchDispatchMode):
    """Refuses every operation that waits for `device`, or copies to it or from it."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if self._on_device(tensors):
            self._refuse_waiting(operation, args)
        result = operation(*args, **(kwargs or {}))
        moved = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if tensors and moved and self._on_device(tensors[-1:]) != self._on_device(moved):
            raise Waits(f"values are copied to or from the device ({operation}){_where()}")
        return result

    def _on_device(self, tensors):
        return any(tensor.device.type == self.device.type for tensor in tensors)

    def _refuse_waiting(self, operation, args):
        if reason := WAITING.get(operation.overloadpacket):
            raise Waits(reason + _where())
        if operation.overloadpacket in (aten.index, aten.index_put, aten.index_put_):
            masks = [index for index in args[1] if index is not None
                     and index.dtype in (torch.bool, torch.uint8)]
            if masks:
                raise Waits("the size of a result depends on the data (indexing by a mask)"
                            + _where())


def _where():
    """The line of the package that is running."""
    frames = [frame for frame in traceback.extract_stack()
              if Path(frame.filename).is_relative_to(_ROOT) and frame.filename != __file__]
    frame = frames[-1]
    return f"; {Path(frame.filename).relative_to(_ROOT)}, line {frame.lineno}: {frame.line}"

"""Predictions on a user's own photographs, of any size, within the memory there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.data.formats.decode import Size, resize_image
from benchmark.data.loading.array_loader import memory, pixels
from benchmark.engine.trained import TrainedNetwork
from benchmark.errors import RequestError, RunError
from benchmark.method import kinds
from benchmark.model.heads import upsample
from benchmark.tasks import Task

_SHARE = 0.5
"""Of the device's memory: what one photograph may take."""
_COPIES = 4
"""Of the largest layer's input and output that are in memory at once, with what convolutions need
for themselves: 2.3 to 4 were measured for narrow, resnet50, pvt_v2_b0 and convnext_tiny."""
_OUTPUTS = 3
"""Maps of a task at full size at once: enlarged, as prediction, as an array."""
_COLOURS = 100
"""Bytes per pixel while a map is drawn."""
_PROBE = 64
"""Height and width of the image that tells how much memory a pixel takes."""


@dataclass(frozen=True)
class WorkingSize:
    """The size at which the network sees a photograph: its own, one given, or one whose shorter
    side has so many pixels."""

    size: Size | None = None
    short_side: int | None = None

    def of(self, own: Size) -> Size:
        """Height and width for a photograph of the size `own`."""
        if self.size is not None:
            return self.size
        if self.short_side is None:
            return own
        factor = self.short_side / min(own)
        height, width = (max(1, round(length * factor)) for length in own)
        return height, width


class PhotographPredictor:
    """Applies a trained network to photographs, one at a time."""

    def __init__(self, trained: TrainedNetwork, tasks: list[Task], working: WorkingSize) -> None:
        self.trained, self.tasks, self.working = trained, tasks, working
        self._limit = memory(trained.device) * _SHARE
        channels = [task.channels for task in tasks]
        self._seen = _COPIES * _largest_layer(trained) + 4 * sum(channels)
        self._drawn = 4 * _OUTPUTS * max(channels) + _COLOURS

    def require_room(self, name: str, size: Size) -> None:
        """Raise `RequestError` for a photograph that would take more memory than it may."""
        seen, drawn = (_count(each) for each in (self.working.of(size), size))
        if seen * self._seen + drawn * self._drawn <= self._limit:
            return
        says = (f"{name} is {size[0]} x {size[1]} (height x width): predicting on it would take "
                f"about {(seen * self._seen + drawn * self._drawn) / 2**30:.1f} GiB, and half of "
                f"the memory is {self._limit / 2**30:.1f} GiB; ")
        if (left := self._limit - drawn * self._drawn) <= 0:
            raise RequestError(says + "make the file smaller")
        side = int((left / self._seen / drawn) ** 0.5 * min(size))
        raise RequestError(says + f"show it to the network at a smaller size, up to --short-side "
                           f"{max(1, side)}")

    def predict(self, photograph: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """What every task says of a photograph [3, H, W], in the task's own unit and at its size:
        uint8 [H, W] of classes, float32 [H, W] of binary maps, float32 [channels, H, W] else.

        Raises `RunError` where the device's memory does not suffice.
        """
        height, width = photograph.shape[-2:]
        shown = resize_image(photograph, self.working.of((height, width)))
        images = pixels(torch.tensor(shown)[None].to(self.trained.device))
        try:
            raws = self.trained.outputs(images, self.tasks)
            found = {}
            for task, kind in kinds(self.tasks):
                raw = raws.pop(task.name)
                if raw.shape[-2:] != (height, width):
                    raw = upsample(raw, (height, width))
                found[task.name] = _array(kind.prediction(raw)[0])
        except torch.OutOfMemoryError:
            raise RunError(f"a photograph of {height} x {width} pixels needs more memory than the "
                           "device has free; give --short-side N, or --device cpu") from None
        return found


def _largest_layer(trained: TrainedNetwork) -> float:
    """The most bytes per pixel of the image that one layer has as input and output."""
    network, found = trained.network, [0]

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        found.append(_bytes(inputs) + _bytes(output))

    hooks = [layer.register_forward_hook(note) for layer in network.modules()
             if not list(layer.children())]
    try:
        with torch.no_grad():
            network.outputs(torch.zeros(1, 3, _PROBE, _PROBE, device=trained.device),
                            list(network.tasks))
    finally:
        for hook in hooks:
            hook.remove()
    return max(found) / _PROBE ** 2


def _bytes(values: Any) -> int:
    if isinstance(values, Tensor):
        return values.numel() * values.element_size()
    return sum(map(_bytes, values)) if isinstance(values, list | tuple) else 0


def _count(size: Size) -> int:
    return size[0] * size[1]


def _array(prediction: Tensor) -> NDArray[Any]:
    """Classes as bytes, everything else as float32."""
    kept = prediction.float() if prediction.is_floating_point() else prediction.to(torch.uint8)
    return kept.cpu().numpy()

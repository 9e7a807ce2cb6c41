"""Evaluation: all tasks learnt so far on the whole evaluation split, as per-image statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.loading.array_loader import ArrayLoader, Preload, pixels
from benchmark.data.store.files import IMAGE, Store
from benchmark.engine.contract import check_outputs
from benchmark.method import Method, kinds
from benchmark.model.network import Network
from benchmark.record import Statistics
from benchmark.tasks import Task
from benchmark.tasks.losses import evaluated
from benchmark.tasks.metric import NOT_FINITE

_IMAGES, _PIXELS = 50, 1 << 23
"""Most images and pixels evaluated at once: their outputs in double precision fill memory."""


class Evaluator:
    """The evaluation split; images and targets are loaded when first needed."""

    def __init__(self, store: Store, device: torch.device, preload: Preload = "auto") -> None:
        self._count = store.count("eval")
        height, width = store.array("eval", IMAGE).shape[-2:]
        self._batch = max(1, min(_IMAGES, _PIXELS // (height * width)))
        self._loader = ArrayLoader(store, "eval", device, preload)
        self._loader.add(IMAGE)

    @torch.no_grad()
    def statistics(self, method: Method, network: Network,
                   tasks: Sequence[Task]) -> dict[str, Statistics]:
        """Sufficient statistics of every task, one row per image, in evaluation order; among them
        `NOT_FINITE` where a valid pixel has no finite prediction."""
        names = [task.name for task in tasks]
        for name in names:
            if name not in self._loader:
                self._loader.add(name)
        network.eval()
        parts: dict[str, dict[str, list[Tensor]]] = {name: {} for name in names}
        plan = [dict.fromkeys((IMAGE, *names), rows)
                for rows in torch.arange(self._count).split(self._batch)]
        for found in self._loader.batches(plan):
            images = pixels(found[IMAGE])
            raws = method.predict(network, images, tasks)
            check_outputs(method, raws, images, tasks)
            for task, kind in kinds(tasks):
                fields = evaluated(kind, raws[task.name], found[task.name])
                for name, values in fields.items():
                    parts[task.name].setdefault(name, []).append(values)
        keys = [(name, field) for name, fields in parts.items() for field in fields]
        arrays = read_together([torch.cat(parts[name][field]) for name, field in keys])
        counted: dict[str, Statistics] = {name: {} for name in names}
        for (name, field), array in zip(keys, arrays, strict=True):
            if field != NOT_FINITE.name or array.any():
                counted[name][field] = array
        return counted


def read_together(tensors: Sequence[Tensor]) -> list[NDArray[Any]]:
    """The values of tensors of any types and shapes, read from the device in one copy."""
    raw = [tensor.contiguous().flatten().view(torch.uint8) for tensor in tensors]
    parts = torch.cat(raw).cpu().split([len(each) for each in raw])
    return [part.clone().view(tensor.dtype).view(tensor.shape).numpy()
            for part, tensor in zip(parts, tensors, strict=True)]

"""Evaluation: all tasks learnt so far on the whole evaluation split, as per-image statistics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.data.phase_data import load
from benchmark.data.store import IMAGE, Store
from benchmark.method import Method, kinds
from benchmark.model.network import Network
from benchmark.record import Statistics
from benchmark.tasks import Task


class Evaluator:
    """Holds the evaluation split on the device; targets are loaded when first needed."""

    def __init__(self, store: Store, device: torch.device, batch: int = 50) -> None:
        self._store, self._device, self._batch = store, device, batch
        self._images = load(store, "eval", IMAGE, device=device)
        self._targets: dict[str, Tensor] = {}

    @torch.no_grad()
    def statistics(self, method: Method, network: Network,
                   tasks: Sequence[Task]) -> dict[str, Statistics]:
        """Sufficient statistics of every task, one row per image, in evaluation order."""
        for task in tasks:
            if task.name not in self._targets:
                self._targets[task.name] = load(self._store, "eval", task.name,
                                                device=self._device)
        network.eval()
        parts: dict[str, dict[str, list[Tensor]]] = {task.name: {} for task in tasks}
        for positions in torch.arange(len(self._images)).split(self._batch):
            rows = slice(int(positions[0]), int(positions[-1]) + 1)
            raws = method.predict(network, self._images[rows].float() / 255, tasks)
            for task, kind in kinds(tasks):
                found = kind.statistics(raws[task.name], self._targets[task.name][rows])
                for name, values in found.items():
                    parts[task.name].setdefault(name, []).append(values)
        return {task: {name: torch.cat(values).cpu().numpy() for name, values in fields.items()}
                for task, fields in parts.items()}

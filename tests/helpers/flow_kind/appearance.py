"""Flow: red grows to the right, green downwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.appearance import ColourKey, KindAppearance, Sentence, range_text
from benchmark.tasks.task import Task


class FlowAppearance(KindAppearance):
    """Two channels as two colours."""

    def colours(self, task: Task, maps: Sequence[NDArray[np.float32]],
                limits: tuple[float, float]) -> list[NDArray[Any]]:
        low, high = limits
        shown = []
        for each in maps:
            both = ((each - low) / max(high - low, 1e-9)).clip(0, 1).transpose(0, 2, 3, 1)
            shown.append(255 * np.concatenate([both, np.full_like(both[..., :1], 0.5)], axis=-1))
        return shown

    def key(self, task: Task, truth: NDArray[Any], *shown: NDArray[Any]) -> ColourKey:
        limits = self.limits(task, truth, task.valid(truth))
        return Sentence(f"red: to the right, green: down, from {range_text(limits, 'px')}")

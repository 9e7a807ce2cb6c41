"""Binary maps: probabilities from 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.appearance import ColourBar, ColourKey, KindAppearance
from benchmark.tasks.task import Task


class BinaryAppearance(KindAppearance):
    """Labels are probabilities 0 and 1."""

    def limits(self, task: Task, truth: NDArray[Any],
               valid: NDArray[np.bool_]) -> tuple[float, float]:
        return 0.0, 1.0

    def key(self, task: Task, truth: NDArray[Any], *shown: NDArray[Any]) -> ColourKey:
        return ColourBar("probability", (0.0, 1.0))

    def caption(self, task: Task, truth: NDArray[Any], valid: NDArray[np.bool_]) -> str:
        return ""

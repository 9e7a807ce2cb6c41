"""Regression: maps of any number of channels, some of which answer to zooming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import DataError
from benchmark.tasks.kind import KindSpec
from benchmark.tasks.stored import StoredValues
from benchmark.tasks.task import Task


class RegressionSpec(KindSpec):
    """Maps with NaN where invalid; `depth` and `inverse_depth` are positive lengths."""

    encodings = ("plain", "depth", "inverse_depth")
    file_options = KindSpec.file_options | {"quantity"}

    def target(self, path: Path, raw: NDArray[Any], stored: StoredValues) -> NDArray[Any]:
        target = super().target(path, raw, stored)
        if stored.quantity != "plain" and (wrong := target <= 0).any():
            channel, row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
            raise DataError(f"{path}: the {stored.quantity} at row {row}, column {column} is "
                            f"{target[channel, row, column]:g}, it must be above 0; name the value "
                            "of pixels without a measurement, such as invalid: 0")
        return target

    def fault(self, task: Task, known: NDArray[np.float32]) -> str:
        low = known.min()
        if task.encoding == "depth" and low <= 0:
            return f"a depth of {low:.3g}"
        if task.encoding == "inverse_depth" and low < 0:
            return f"an inverse depth of {low:.3g}"
        return ""

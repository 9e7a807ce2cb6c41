"""Numbers as the pages show them."""

from __future__ import annotations

import math
from collections.abc import Iterable

MISSING = "—"


def decimals(values: Iterable[float | None], unit: str = "") -> int:
    """Decimals that show the largest of `values` with four digits; two of percentages."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if unit == "%":
        return 2
    return min(6, max(0, 3 - math.floor(math.log10(largest)))) if largest else 0


def text(value: float | None, digits: int) -> str:
    """`value` with `digits` decimals and a true minus sign; a dash for what is not there."""
    if value is None:
        return MISSING
    shown = f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 turns -0.0 into 0.0
    return shown.replace("-", "\N{MINUS SIGN}")

"""Small things every command prints the same way."""

from __future__ import annotations

import json
from typing import Any


def print_json(value: Any) -> None:
    """Strict JSON on standard output."""
    print(json.dumps(value, indent=1, allow_nan=False))


def metric_text(value: float | None) -> str:
    """A metric for a table: four significant digits, a dash for what is not there."""
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"

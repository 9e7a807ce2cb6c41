"""Output that several commands print the same way."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console


def strict_json(value: Any) -> str:
    """JSON without NaN or infinity."""
    return json.dumps(value, indent=1, allow_nan=False)


def print_json(value: Any) -> None:
    """Strict JSON on standard output."""
    print(strict_json(value))


def print_text(text: str | None) -> None:
    """A rendered text, ending in one newline; None stands for one that is printed already."""
    if text is not None:
        print(text, end="" if text.endswith("\n") else "\n")


def print_notes(notes: Iterable[str]) -> None:
    """Lines on standard error, each once, for what a result leaves out or warns of."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in dict.fromkeys(notes):
        console.print(note, markup=False)


def metric_text(value: float | None) -> str:
    """A metric for a table: four significant digits, a dash for what is not there."""
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"

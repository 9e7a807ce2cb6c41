"""Output that several commands print the same way, with nothing in it that steers a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from benchmark.errors import one_line, visible


class PlainConsole(Console):
    """A console on which words in brackets are no markup, and control characters are visible.

    What records and files say is then text and nothing else; styles are given beside it.
    """

    def __init__(self, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False,
                         emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


def strict_json(value: Any) -> str:
    """JSON without NaN or infinity."""
    return json.dumps(value, indent=1, allow_nan=False)


def print_json(value: Any) -> None:
    """Strict JSON on standard output."""
    print(strict_json(value))


def print_line(text: str) -> None:
    """One line, or several of ours, on standard output."""
    print(visible(text))


def print_text(text: str | None) -> None:
    """A rendered text, ending in one newline; None stands for one that is printed already."""
    if text is not None:
        print(visible(text), end="" if text.endswith("\n") else "\n")


def print_notes(notes: Iterable[str]) -> None:
    """Lines on standard error, each once, for what a result leaves out or warns of."""
    console = PlainConsole(stderr=True, soft_wrap=True)
    for note in dict.fromkeys(notes):
        console.print(one_line(note))


def metric_text(value: float | None) -> str:
    """A metric for a table: four significant digits, a dash for what is not there."""
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"

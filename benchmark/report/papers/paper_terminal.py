"""A paper's tables for terminals of any width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.report.papers.paper_sheet import LABELS, Sheet

PADDING = 3
"""Characters between two columns."""


def show(sheets: Sequence[Sheet], console: Console | None = None) -> None:
    """Print `sheets`; one too wide for the console is cut into several, under one title."""
    out = console or Console()
    for sheet in sheets:
        out.print(Text(sheet.title, style="bold"))
        for columns in _cuts(sheet, out.width):
            out.print()
            out.print(_grid(sheet, columns))
        out.print()
        for note in sheet.notes:
            out.print(Text(note, style="dim"))
        for text in sheet.numbered:  # never wrapped: they are there to be copied
            out.print(Text(f"  {text}"), soft_wrap=True)
        out.print()


def _cuts(sheet: Sheet, width: int) -> Iterator[list[int]]:
    """ArrayLoader of each grid, by index: the labels in all, the others from left to right."""
    labels = list(range(LABELS))
    first = sum(_width(sheet, index) + PADDING for index in labels)
    used, columns = first, labels
    for index in range(LABELS, len(sheet.headings)):
        needed = _width(sheet, index) + PADDING
        if used + needed > width + PADDING and len(columns) > LABELS:
            yield columns
            used, columns = first, labels
        used, columns = used + needed, [*columns, index]
    yield columns


def _width(sheet: Sheet, index: int) -> int:
    """Headings may wrap between words, cells may not."""
    cells = [len(line[index]) for block in sheet.blocks for line in block]
    return max([*cells, *map(len, sheet.headings[index].split())])


def _grid(sheet: Sheet, columns: Sequence[int]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index in columns:
        grid.add_column(Text(sheet.headings[index]), justify="right" if index > 1 else "left",
                        width=_width(sheet, index), vertical="bottom", overflow="fold")
    for block in sheet.blocks:
        for line in block:
            cells = [line[index] for index in columns]
            if line is not block[0]:
                cells[0] = ""
            grid.add_row(*map(Text, cells), end_section=line is block[-1])
    return grid

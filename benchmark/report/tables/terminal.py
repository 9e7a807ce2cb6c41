"""Tables for terminals of any width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text as Styled

from benchmark.report.tables.layout import Layout, Text, layout, missing_runs, notes, one_line
from benchmark.report.tables.table import Table

PADDING = 3
"""Characters between two columns of the grid below."""


def show(tables: Sequence[Table], console: Console | None = None) -> None:
    """Print `tables`; one too wide for the console is cut into several, under one title."""
    out = console or Console()
    for table in tables:
        shown = layout(table)
        out.print(Styled(one_line(table.title), style="bold"))
        for columns in _cuts(shown, out.width):
            out.print()
            out.print(_grid(shown, columns))
        out.print()
        out.print(Styled(one_line(table.caption), style="dim"))
        for note in notes(table):
            out.print(Styled(f"note: {note}", style="yellow"))
        if table.holes:
            out.print(Styled("missing runs:", style="yellow"))
        for command in missing_runs(table):  # never wrapped: they are there to be copied
            out.print(Styled(f"  {command}"), soft_wrap=True)
        out.print()


def _cuts(shown: Layout, width: int) -> Iterator[list[int]]:
    """ArrayLoader of each grid, by index: the method in all, the others from left to right."""
    first = _width(shown, 0) + PADDING
    used, columns = first, [0]
    for index in range(1, len(shown.headings)):
        needed = _width(shown, index) + PADDING
        if used + needed > width and len(columns) > 1:
            yield columns
            used, columns = first, [0]
        used, columns = used + needed, [*columns, index]
    yield columns


def _width(shown: Layout, index: int) -> int:
    """Headings may wrap between words, cells may not."""
    cells = [len(line[index].text) for block in shown.blocks for line in block]
    return max([*cells, *map(len, shown.headings[index].split())])


def _grid(shown: Layout, columns: Sequence[int]) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index in columns:
        grid.add_column(Styled(shown.headings[index]), justify="right" if index else "left",
                        width=_width(shown, index), vertical="bottom", overflow="fold")
    for block in shown.blocks:
        for line in block:
            cells = [Styled(line[index].text, style=_style(line[index])) for index in columns]
            grid.add_row(*cells, end_section=line is block[-1])
    return grid


def _style(cell: Text) -> str:
    return "bold" if cell.strong else "underline" if cell.underlined else ""

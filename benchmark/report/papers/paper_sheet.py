"""A paper's table as lines of text: what every format that people read shows alike."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.report.papers.paper import Pair, PaperTable
from benchmark.report.papers.paper_data import Published
from benchmark.report.tables.names import heading
from benchmark.tasks.metric_values import metric_title

TITLES = {"delta": "Δ", "rank": "mean rank", "parameters_saved": "extra parameters saved",
          "miou_gain": "mIoU gain"}
"""Columns of papers that are not metrics of a task."""
NOTHING = "—"
LABELS = 3
"""ArrayLoader before the measured ones: method, whose numbers a line holds, and its seeds."""


@dataclass(frozen=True)
class Sheet:
    """A table as text: a block of lines per method, and what its cells point to."""

    title: str
    headings: list[str]
    blocks: list[list[list[str]]]
    notes: list[str]
    commands: list[str]
    """Missing runs; the cells that need them say their numbers, from 1."""

    @property
    def numbered(self) -> list[str]:
        """The commands behind their numbers."""
        return [f"[{number}] {command}" for number, command in enumerate(self.commands, start=1)]


def sheet(table: PaperTable) -> Sheet:
    """The text of `table`, the same for every format that people read."""
    cells = [pair.here for pairs in table.rows.values() for pair in pairs]
    commands = list(dict.fromkeys(each for cell in cells for each in cell.commands))
    reasons = list(dict.fromkeys(cell.reason for cell in cells if cell.reason))
    marks = dict(zip(reasons, string.ascii_lowercase, strict=False))
    numbers = {command: number for number, command in enumerate(commands, start=1)}
    decimals = [_decimals([pairs[index].paper for pairs in table.rows.values()], column)
                for index, column in enumerate(table.columns)]

    def here(pair: Pair, digits: int, seeds: int) -> str:
        if pair.here.commands:
            return f"missing [{_ranges(sorted(numbers[each] for each in pair.here.commands))}]"
        if pair.here.mean is None:
            return f"none [{marks[pair.here.reason]}]"
        text = _number(pair.here.mean, digits)
        if pair.here.std is not None:
            text += f" ± {_number(pair.here.std, digits)}"
        return text if pair.here.n == seeds else f"{text} (n={pair.here.n})"

    blocks = []
    for method, pairs in table.rows.items():
        seeds = max(pair.here.n for pair in pairs)
        block = [[method, "published", NOTHING, *map(_published, pairs)],
                 [method, "here", str(seeds), *(here(pair, digits, seeds) for pair, digits
                                                in zip(pairs, decimals, strict=True))]]
        if any(pair.difference is not None for pair in pairs):
            block.append([method, "difference", NOTHING,
                          *(_difference(pair, digits)
                            for pair, digits in zip(pairs, decimals, strict=True))])
        blocks.append(block)
    notes = [*table.notes, *(f"[{marks[reason]}] {reason}." for reason in reasons)]
    if commands:
        notes.append("Numbers in brackets are runs that are missing; their commands follow.")
    if table.incomplete:
        notes.append("Some rows have fewer seeds than others; the last commands add them.")
    place = table.place or "not measured"
    if table.place and table.embedded:
        place = f"another data set: {place}"
    return Sheet(f"{table.title} ({place})",
                 ["method", "", "seeds", *map(_heading, table.columns)], blocks, notes,
                 list(dict.fromkeys([*commands, *table.incomplete])))


def _ranges(numbers: Sequence[int]) -> str:
    """1, 2, 3, 5 as `1-3, 5`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _heading(column: Published) -> str:
    task = "" if column.task == "all" else f"{column.task} "
    versus = f" vs {column.baseline}" if column.baseline else ""
    name = f"{task}{TITLES.get(column.metric) or metric_title(column.metric)}{versus}"
    return heading(name, column.unit, column.higher_is_better)


def _published(pair: Pair) -> str:
    if pair.paper is None:
        return "not in the paper"
    return {"unknown": "unknown", "derived": f"{pair.paper.value} (derived)",
            "published": pair.paper.value}[pair.paper.status]


def _difference(pair: Pair, decimals: int) -> str:
    return NOTHING if pair.difference is None else f"{pair.difference:+.{decimals}f}"


def _decimals(cells: Sequence[Published | None], column: Published) -> int:
    """As many as the paper prints, but at least what its unit deserves."""
    printed = [len(cell.value.partition(".")[2]) for cell in cells if cell]
    return max(2 if column.unit in ("%", "deg") or column.metric == "rank" else 4, *printed)


def _number(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0 turns -0.0 into 0.0

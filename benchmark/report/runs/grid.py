"""Runs of one family: methods under one recipe, in several orders of the same tasks and seeds.

Statistics over orders and seeds, ranks and methods x sequences tables start here. A run is named
by its `RunKey`, (sequence, seed); two methods are compared at the same `RunKey`s only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmark.errors import RequestError, unknown
from benchmark.record import Record
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.groups import matching
from benchmark.report.runs.lines import MethodRuns, command, common, lines_of, told_apart
from benchmark.report.runs.rescore import matrix_of
from benchmark.report.runs.settings import written
from benchmark.scores import Matrix, Score, delta

RunKey = tuple[str, int]
"""Sequence and seed."""
BASELINES = ("finetune", "separate", "joint")
OF_THE_ORDER = ("sequence", "tasks")
"""Keys of a run's configuration that differ between the orders of a family."""


@dataclass(frozen=True)
class Grid:
    """Runs of one family that may be compared."""

    family: str
    variant: dict[str, Any]
    """What sets the grid apart from the other grids of its family."""
    lines: tuple[MethodRuns[RunKey], ...]
    """Lifelong methods first, then bounds, each by name."""

    @property
    def title(self) -> str:
        return f"{self.family} ({written(self.variant)})" if self.variant else self.family

    @property
    def record(self) -> Record:
        """Any record: what it says of data set and metrics holds for all of them."""
        return self.lines[0].record

    @cached_property
    def cells(self) -> list[RunKey]:
        """Every (sequence, seed) at which some method was run, failed runs too."""
        return sorted({at for line in self.lines for at in (*line.runs, *line.failed)},
                      key=lambda at: (order_number(at[0]), at))

    @cached_property
    def _derived(self) -> dict[tuple[str, str], dict[RunKey, Matrix]]:
        """Matrices by label and convention: a baseline's are asked for with every other line."""
        return {}

    @property
    def sequences(self) -> list[str]:
        return list(dict.fromkeys(sequence for sequence, _ in self.cells))

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for _, seed in self.cells})

    def line(self, label: str) -> MethodRuns[RunKey]:
        """The line of a label such as `had` or `had (weight=6)`.

        Raises `RequestError` naming the nearest labels.
        """
        for line in self.lines:
            if line.label == label:
                return line
        raise unknown("method with runs", label, [line.label for line in self.lines])

    def baseline(self, name: str) -> MethodRuns[RunKey]:
        """The line of a baseline with the fewest settings of its own.

        Raises `RequestError` when there is no run of it.
        """
        if name not in BASELINES:
            raise unknown("baseline", name, BASELINES)
        lines = [line for line in self.lines if line.method == name]
        if not lines:
            raise RequestError(f"{self.title}: no run of the baseline {name}; make one with "
                               f"{self.command(name, self.cells[0])}")
        return min(lines, key=lambda line: len(line.settings))

    def missing(self, line: MethodRuns[RunKey]) -> list[RunKey]:
        """Where other methods were run and `line` was not, or failed."""
        return [at for at in self.cells if at not in line.runs]

    def command(self, method: str, at: RunKey, line: MethodRuns[RunKey] | None = None) -> str:
        """The command of a run of this grid: of `line`, or of a method that has no line yet."""
        record = line.record if line else self.record
        return command(record, method, *at, self.variant, line)

    def matrices(self, line: MethodRuns[RunKey], convention: str = "pixel") -> dict[RunKey, Matrix]:
        """R of every run of `line`, in the order of `cells`.

        Raises `RequestError` when statistics are missing that the convention needs.
        """
        key = line.label, convention
        if key not in self._derived:
            self._derived[key] = {at: matrix_of(line.runs[at], convention)
                                  for at in self.cells if at in line.runs}
        return self._derived[key]

    def deltas(self, line: MethodRuns[RunKey], baseline: str = "finetune",
               convention: str = "pixel") -> dict[RunKey, Score]:
        """Delta^T_b of every run of `line` at whose (sequence, seed) the baseline was run too."""
        reference = self.matrices(self.baseline(baseline), convention)
        return {at: delta(matrix, reference[at])
                for at, matrix in self.matrices(line, convention).items() if at in reference}


def grids_of(collection: Collection, sequences: Sequence[str] | None = None) -> list[Grid]:
    """The grids of `collection`, by family; `sequences` are names or globs to keep.

    Raises `RequestError` for a pattern that no run matches.
    """
    found = matching(collection, sequences)
    families = sorted({family_of(each.record) for each in found})
    return [Grid(family, variant, lines_of(members, lambda record: (record.sequence, record.seed)))
            for family in families
            for variant, members in told_apart(
                [each for each in found if family_of(each.record) == family],
                lambda record: common(record, OF_THE_ORDER))]


def family_of(record: Record) -> str:
    """`rooms` of `rooms_s2`."""
    return record.sequence.rpartition("_s")[0] or record.sequence


def order_number(sequence: str) -> int:
    """2 of `rooms_s2`, so that s10 follows s9."""
    number = sequence.rpartition("_s")[2]
    return int(number) if number.isdecimal() else 0

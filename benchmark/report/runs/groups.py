"""Which runs may be compared: groups of one sequence, data set and recipe, and their methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from benchmark.errors import unknown
from benchmark.record import Record
from benchmark.report.runs.collection import Collection, StoredRun
from benchmark.report.runs.lines import MethodRuns, command, common, lines_of, told_apart
from benchmark.report.runs.settings import written


@dataclass(frozen=True)
class Group:
    """Runs whose numbers may be averaged and compared."""

    sequence: str
    variant: dict[str, Any]
    """What sets the group apart from the other groups of its sequence."""
    lines: tuple[MethodRuns[int], ...]
    """Lifelong methods first, then bounds, each by name; runs by seed."""

    @property
    def record(self) -> Record:
        """Any record: what it says of sequence, tasks and data set holds for all of them."""
        return self.lines[0].record

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for line in self.lines for seed in (*line.runs, *line.failed)})

    @property
    def title(self) -> str:
        return f"{self.sequence} ({written(self.variant)})" if self.variant else self.sequence

    def command(self, method: str, seed: int, line: MethodRuns[int] | None = None) -> str:
        """The command of a run of this group: of `line`, or of a method that has no line yet."""
        record = line.record if line else self.record
        return command(record, method, self.sequence, seed, self.variant, line)


def groups_of(collection: Collection, sequences: Sequence[str] | None = None) -> list[Group]:
    """The groups of `collection`, by sequence; `sequences` are names or globs to keep.

    Raises `RequestError` for a pattern that no run matches.
    """
    by_name: dict[str, list[StoredRun]] = {}
    for found in matching(collection, sequences):
        by_name.setdefault(found.record.sequence, []).append(found)
    return [group for name in sorted(by_name) for group in _variants(name, by_name[name])]


def matching(collection: Collection, sequences: Sequence[str] | None = None) -> list[StoredRun]:
    """The runs, failed ones too, of sequences that match a name or glob of `sequences`.

    Raises `RequestError` for a pattern that no run matches.
    """
    everything = [*collection.complete, *collection.failed]
    names = sorted({found.record.sequence for found in everything})
    for pattern in sequences or ():
        if not any(fnmatchcase(name, pattern) for name in names):
            raise unknown("sequence with runs", pattern, names)
    return [found for found in everything
            if not sequences or any(fnmatchcase(found.record.sequence, pattern)
                                    for pattern in sequences)]


def _variants(sequence: str, found: Iterable[StoredRun]) -> list[Group]:
    """One group per setting of everything that is not the method's or the seed's."""
    return [Group(sequence, variant, lines_of(members, lambda record: record.seed))
            for variant, members in told_apart(found, common)]

"""Which runs may be compared: groups of one sequence, data set and recipe, and their methods."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from benchmark.errors import unknown
from benchmark.files import digest
from benchmark.record import Record
from benchmark.report.records import Collection, Found
from benchmark.report.settings import contrast, fingerprint, flatten, value_text, written

OF_THE_RUN = ("method", "method_config", "plug_in", "seed")
"""Keys of a run's configuration that may differ within a group."""

TOLD_ONLY = ("recipe.about",)
"""Settings that say something and change nothing."""

NOT_SETTINGS = ("dataset fingerprint", "protocol", "metrics", "file")
"""Reasons to keep runs apart that no setting on a command line can change."""


@dataclass(frozen=True)
class Line:
    """The runs of one method under one configuration, by seed."""

    method: str
    settings: dict[str, Any]
    """Method settings that differ from the method's usual ones in the group."""
    bound: bool
    runs: dict[int, Found]
    failed: dict[int, Found]

    @property
    def label(self) -> str:
        return f"{self.method} ({written(self.settings)})" if self.settings else self.method

    @property
    def record(self) -> Record:
        """Any of its records."""
        return next(iter((self.runs | self.failed).values())).record


@dataclass(frozen=True)
class Group:
    """Runs whose numbers may be averaged and compared."""

    sequence: str
    variant: dict[str, Any]
    """What sets the group apart from the other groups of its sequence."""
    lines: tuple[Line, ...]
    """Lifelong methods first, then bounds, each by name."""

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

    def command(self, method: str, seed: int, line: Line | None = None) -> str:
        """The command of a run of this group: of `line`, or of a method that has no line yet."""
        record = line.record if line else self.record
        words = ["lhlbench", "run",
                 "--method", _as_given(record, "--method", method) if line else method,
                 "--sequence", _as_given(record, "--sequence", self.sequence),
                 "--seed", str(seed), *_options("--set", self.variant),
                 *_options("--method-set", line.settings if line else {})]
        return shlex.join(words)


def groups_of(collection: Collection, sequences: Sequence[str] | None = None) -> list[Group]:
    """The groups of `collection`, by sequence; `sequences` are names or globs to keep.

    Raises `RequestError` for a pattern that no run matches.
    """
    everything = [*collection.complete, *collection.failed]
    names = sorted({found.record.sequence for found in everything})
    for pattern in sequences or ():
        if not any(fnmatchcase(name, pattern) for name in names):
            raise unknown("sequence with runs", pattern, names)
    kept = [name for name in names
            if not sequences or any(fnmatchcase(name, pattern) for pattern in sequences)]
    return [group for name in kept
            for group in _variants(name, [each for each in everything
                                          if each.record.sequence == name])]


def _variants(sequence: str, found: Iterable[Found]) -> list[Group]:
    """One group per setting of everything that is not the method's or the seed's."""
    return [Group(sequence, variant, _lines(members))
            for variant, members in _told_apart(found, _common)]


def _told_apart(found: Iterable[Found], settings_of: Callable[[Record], dict[str, Any]],
                ) -> list[tuple[dict[str, Any], list[Found]]]:
    """Records grouped by their settings, the largest group first, each with what sets it apart."""
    settings: dict[str, dict[str, Any]] = {}
    members: dict[str, list[Found]] = {}
    for each in found:
        own = settings_of(each.record)
        key = fingerprint(own)
        settings[key] = own
        members.setdefault(key, []).append(each)
    keys = sorted(members, key=lambda key: (-len(members[key]), key))
    contrasts = contrast([settings[key] for key in keys], [len(members[key]) for key in keys])
    return [(contrast_, members[key]) for key, contrast_ in zip(keys, contrasts, strict=True)]


def _common(record: Record) -> dict[str, Any]:
    config = {key: value for key, value in record.config.items() if key not in OF_THE_RUN}
    metrics = [[task.name, *(f"{metric.name} {metric.formula}" for metric in task.metrics)]
               for task in record.tasks]
    flat = {name: value for name, value in flatten(config).items() if name not in TOLD_ONLY}
    return flat | {"dataset fingerprint": record.dataset.fingerprint[:12],
                   "protocol": record.protocol, "metrics": digest(metrics)[:8]}


def _lines(members: Sequence[Found]) -> tuple[Line, ...]:
    lines = [line for method in sorted({found.record.method.name for found in members})
             for line in _configurations(method, [found for found in members
                                                  if found.record.method.name == method])]
    return tuple(sorted(lines, key=lambda line: (line.bound, line.method)))


def _configurations(method: str, members: Sequence[Found]) -> list[Line]:
    return sorted((_line(method, settings, own)
                   for settings, own in _told_apart(members, _of_the_method)),
                  key=lambda line: line.label)


def _line(method: str, settings: dict[str, Any], members: Sequence[Found]) -> Line:
    runs: dict[int, Found] = {}
    failed: dict[int, Found] = {}
    for found in members:
        kept = runs if found.record.status == "complete" else failed
        kept.setdefault(found.record.seed, found)
    return Line(method, settings, members[0].record.method.kind == "bound", runs,
                {seed: found for seed, found in failed.items() if seed not in runs})


def _of_the_method(record: Record) -> dict[str, Any]:
    """Settings, and the content of the file where a method came from one."""
    file = record.config.get("plug_in")
    config = flatten(record.method.config)
    return config | {"file": str(file)[:8]} if file else config


def _as_given(record: Record, option: str, name: str) -> str:
    """The path that `option` was given as when the run was started; `name` if it was no path."""
    try:
        words = shlex.split(str(record.environment.get("command", "")))
    except ValueError:
        return name
    given = words[words.index(option) + 1:][:1] if option in words else []
    return given[0] if given and ("." in given[0] or "/" in given[0]) else name


def _options(option: str, settings: Mapping[str, Any]) -> list[str]:
    return [word for name, value in sorted(settings.items()) if name not in NOT_SETTINGS
            for word in (option, f"{name}={value_text(value)}")]

"""Which runs may be compared: methods under one recipe on the same data, orders and seeds.

A run is named by its `RunKey`, (sequence, seed); two methods are compared at the same keys only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from benchmark.config.overrides import setting_text
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError, unknown
from benchmark.files import digest
from benchmark.record import Record
from benchmark.report.runs.collection import RunCollection, StoredRun
from benchmark.report.runs.settings import contrast, fingerprint, flatten, settings_text

RunKey = tuple[str, int]
"""Sequence and seed."""

BASELINES = ("finetune", "separate", "joint")
"""The methods that gains can be measured against; the first unless another is chosen."""

OF_THE_RUN = ("method", "method_config", "plug_in", "seed")
"""Keys of a run's configuration that may differ among runs that are compared."""
OF_THE_ORDER = ("sequence", "tasks")
"""Keys that differ between the orders of a family."""
DESCRIPTIONS = ("recipe.about",)
"""Settings that describe something and change nothing."""
NOT_SETTINGS = ("dataset fingerprint", "protocol", "metrics", "file")
"""Reasons to keep runs apart that no setting on a command line can change."""


@dataclass(frozen=True)
class MethodRuns:
    """The runs of one method under one configuration."""

    name: str
    settings: dict[str, Any]
    """Method settings that differ from the method's usual ones among the runs compared."""
    bound: bool
    runs: dict[RunKey, StoredRun]
    failed: dict[RunKey, StoredRun]

    @property
    def label(self) -> str:
        """`had`, or `had (weight=6)`."""
        return f"{self.name} ({settings_text(self.settings)})" if self.settings else self.name

    @property
    def all_runs(self) -> dict[RunKey, StoredRun]:
        """Finished and failed ones."""
        return self.runs | self.failed

    @property
    def record(self) -> Record:
        """Any of its records."""
        return next(iter(self.all_runs.values())).record


@dataclass(frozen=True)
class Grid:
    """Runs that may be compared: of one family in several orders, or of one sequence."""

    name: str
    """The family, or the sequence where only one is looked at."""
    variant: dict[str, Any]
    """What sets the grid apart from the others of its name."""
    methods: tuple[MethodRuns, ...]
    """Lifelong methods first, then bounds, each by name."""

    @property
    def title(self) -> str:
        return f"{self.name} ({settings_text(self.variant)})" if self.variant else self.name

    @property
    def record(self) -> Record:
        """Any record: what it says of data set and metrics holds for all of them."""
        return self.methods[0].record

    @cached_property
    def keys(self) -> list[RunKey]:
        """Every (sequence, seed) at which some method was run, failed runs too."""
        return sorted({key for method in self.methods for key in method.all_runs},
                      key=lambda key: (order_number(key[0]), key))

    @property
    def sequences(self) -> list[str]:
        return list(dict.fromkeys(sequence for sequence, _ in self.keys))

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for _, seed in self.keys})

    @property
    def lifelong(self) -> list[MethodRuns]:
        """Its methods without the bounds."""
        return [method for method in self.methods if not method.bound]

    def method(self, label: str) -> MethodRuns:
        """The runs under a label such as `had` or `had (weight=6)`.

        Raises `RequestError` naming the nearest labels.
        """
        for method in self.methods:
            if method.label == label:
                return method
        raise unknown("method with runs", label, [method.label for method in self.methods])

    def find_baseline(self, name: str) -> MethodRuns | None:
        """The runs of a baseline with the fewest settings of its own; None without any."""
        found = [method for method in self.methods if method.name == name]
        return min(found, key=lambda method: len(method.settings), default=None)

    def baseline(self, name: str) -> MethodRuns:
        """As `find_baseline`. Raises `RequestError` when there is no run of it."""
        if name not in BASELINES:
            raise unknown("baseline", name, BASELINES)
        if (found := self.find_baseline(name)) is None:
            raise RequestError(f"{self.title}: no run of the baseline {name}; make one with "
                               f"{self.command(name, self.keys[0])}")
        return found

    def missing(self, method: MethodRuns) -> list[RunKey]:
        """Where other methods were run and `method` was not, or failed."""
        return [key for key in self.keys if key not in method.runs]

    def command(self, name: str, key: RunKey, method: MethodRuns | None = None) -> str:
        """The command of a run of this grid: of `method`, or of one called `name` without runs.

        It has the settings of the command that a record of the grid names. Where that has none,
        as of a run made from Python, it has those that set grid and method apart from others.
        """
        made = RunRequest.of_record(method.record if method else self.record).in_order(*key)
        if not (made.settings or made.recipe or made.tuned):
            made = replace(made, settings=_overrides(self.variant))
        if method is None:
            return made.of_method(name).command()
        given = made.method if made.method.endswith(".py") else name
        own = made.method_settings or (() if made.tuned else _overrides(method.settings))
        return replace(made, method=given, method_settings=own).command()


def grids_of(collection: RunCollection, sequences: Sequence[str] | None = None) -> list[Grid]:
    """The grids of `collection` by family; `sequences` are names or globs to keep.

    Raises `RequestError` for a pattern that no run matches.
    """
    return _grids(collection.of_sequences(sequences).runs, family_of, OF_THE_ORDER)


def sequence_grids(collection: RunCollection, sequences: Sequence[str] | None = None) -> list[Grid]:
    """The grids of `collection` by sequence, s10 after s9; as `grids_of` otherwise."""
    return _grids(collection.of_sequences(sequences).runs, lambda record: record.sequence, ())


def family_of(record: Record) -> str:
    """`rooms` of `rooms_s2`."""
    return record.sequence.rpartition("_s")[0] or record.sequence


def order_number(sequence: str) -> int:
    """2 of `rooms_s2`, so that s10 follows s9."""
    number = sequence.rpartition("_s")[2]
    return int(number) if number.isdecimal() else 0


def _grids(runs: Sequence[StoredRun], name_of: Callable[[Record], str],
           differing: Sequence[str]) -> list[Grid]:
    by_name: dict[str, list[StoredRun]] = {}
    for run in sorted(runs, key=lambda run: (family_of(run.record),
                                             order_number(run.record.sequence))):
        by_name.setdefault(name_of(run.record), []).append(run)
    return [Grid(name, variant, _methods(members)) for name, found in by_name.items()
            for variant, members in _variants(found, lambda record: _shared(record, differing))]


def _variants(runs: Iterable[StoredRun], settings_of: Callable[[Record], dict[str, Any]],
              ) -> list[tuple[dict[str, Any], list[StoredRun]]]:
    """Runs grouped by their settings, the largest group first, each with what sets it apart."""
    settings: dict[str, dict[str, Any]] = {}
    members: dict[str, list[StoredRun]] = {}
    for run in runs:
        own = settings_of(run.record)
        key = fingerprint(own)
        settings[key] = own
        members.setdefault(key, []).append(run)
    keys = sorted(members, key=lambda key: (-len(members[key]), key))
    contrasts = contrast([settings[key] for key in keys], [len(members[key]) for key in keys])
    return [(variant, members[key]) for key, variant in zip(keys, contrasts, strict=True)]


def _shared(record: Record, differing: Sequence[str]) -> dict[str, Any]:
    """What runs must share to be compared: all that is not the method's, the seed's or one of the
    `differing` keys of the configuration."""
    config = {key: value for key, value in record.config.items()
              if key not in OF_THE_RUN and key not in differing}
    metrics = sorted([task.name, *(f"{metric.name} {metric.formula}" for metric in task.metrics)]
                     for task in record.tasks)
    flat = {name: value for name, value in flatten(config).items() if name not in DESCRIPTIONS}
    return flat | {"dataset fingerprint": record.dataset.fingerprint[:12],
                   "protocol": record.protocol, "metrics": digest(metrics)[:8]}


def _methods(members: Sequence[StoredRun]) -> tuple[MethodRuns, ...]:
    methods = []
    for name in sorted({run.record.method.name for run in members}):
        own = [run for run in members if run.record.method.name == name]
        methods += sorted((_method_runs(name, settings, runs)
                           for settings, runs in _variants(own, _method_settings)),
                          key=lambda method: method.label)
    return tuple(sorted(methods, key=lambda method: (method.bound, method.name)))


def _method_runs(name: str, settings: dict[str, Any], members: Sequence[StoredRun]) -> MethodRuns:
    runs: dict[RunKey, StoredRun] = {}
    failed: dict[RunKey, StoredRun] = {}
    for run in members:
        kept = runs if run.record.status == "complete" else failed
        kept.setdefault((run.record.sequence, run.record.seed), run)
    return MethodRuns(name, settings, members[0].record.method.kind == "bound", runs,
                      {key: run for key, run in failed.items() if key not in runs})


def _method_settings(record: Record) -> dict[str, Any]:
    """Settings, and the content of the file where a method came from one."""
    file = record.config.get("plug_in")
    config = flatten(record.method.config)
    return config | {"file": str(file)[:8]} if file else config


def _overrides(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings as `--set` takes them."""
    return tuple(f"{name}={setting_text(value)}" for name, value in sorted(settings.items())
                 if name not in NOT_SETTINGS)

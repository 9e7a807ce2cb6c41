"""The runs of each method in each of its configurations, and the commands that make them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from benchmark.files import digest
from benchmark.record import Record
from benchmark.report.runs.collection import StoredRun
from benchmark.report.runs.settings import contrast, fingerprint, flatten, value_text, written

OF_THE_RUN = ("method", "method_config", "plug_in", "seed")
"""Keys of a run's configuration that may differ among runs that are compared."""

TOLD_ONLY = ("recipe.about",)
"""Settings that say something and change nothing."""

NOT_SETTINGS = ("dataset fingerprint", "protocol", "metrics", "file")
"""Reasons to keep runs apart that no setting on a command line can change."""

K = TypeVar("K")
"""What tells the runs of a line apart: a seed, or an order and a seed."""


@dataclass(frozen=True)
class MethodRuns(Generic[K]):
    """The runs of one method under one configuration."""

    method: str
    settings: dict[str, Any]
    """Method settings that differ from the method's usual ones among the runs compared."""
    bound: bool
    runs: dict[K, StoredRun]
    failed: dict[K, StoredRun]

    @property
    def label(self) -> str:
        return f"{self.method} ({written(self.settings)})" if self.settings else self.method

    @property
    def record(self) -> Record:
        """Any of its records."""
        return next(iter((self.runs | self.failed).values())).record


def lines_of(members: Sequence[StoredRun], key: Callable[[Record], K]) -> tuple[MethodRuns[K], ...]:
    """Lifelong methods first, then bounds, each by name; runs of a line by `key`."""
    lines = [line for method in sorted({found.record.method.name for found in members})
             for line in _configurations(method, [found for found in members
                                                  if found.record.method.name == method], key)]
    return tuple(sorted(lines, key=lambda line: (line.bound, line.method)))


def told_apart(found: Iterable[StoredRun], settings_of: Callable[[Record], dict[str, Any]],
               ) -> list[tuple[dict[str, Any], list[StoredRun]]]:
    """Records grouped by their settings, the largest group first, each with what sets it apart."""
    settings: dict[str, dict[str, Any]] = {}
    members: dict[str, list[StoredRun]] = {}
    for each in found:
        own = settings_of(each.record)
        key = fingerprint(own)
        settings[key] = own
        members.setdefault(key, []).append(each)
    keys = sorted(members, key=lambda key: (-len(members[key]), key))
    contrasts = contrast([settings[key] for key in keys], [len(members[key]) for key in keys])
    return [(contrast_, members[key]) for key, contrast_ in zip(keys, contrasts, strict=True)]


def common(record: Record, but: Sequence[str] = ()) -> dict[str, Any]:
    """What runs must share to be compared: all that is not the method's or the seed's.

    `but` names further keys of the configuration that may differ, such as the order of tasks.
    """
    config = {key: value for key, value in record.config.items()
              if key not in OF_THE_RUN and key not in but}
    metrics = sorted([task.name, *(f"{metric.name} {metric.formula}" for metric in task.metrics)]
                     for task in record.tasks)
    flat = {name: value for name, value in flatten(config).items() if name not in TOLD_ONLY}
    return flat | {"dataset fingerprint": record.dataset.fingerprint[:12],
                   "protocol": record.protocol, "metrics": digest(metrics)[:8]}


def command(record: Record, method: str, sequence: str, seed: int, variant: Mapping[str, Any],
            line: MethodRuns[Any] | None = None) -> str:
    """The command of a run beside `record`: of `line`, or of a method that has no line yet."""
    words = ["lhlbench", "run",
             "--method", _as_given(record, "--method", method) if line else method,
             "--sequence", _as_given(record, "--sequence", sequence),
             "--seed", str(seed), *_options("--set", variant),
             *_options("--method-set", line.settings if line else {})]
    return shlex.join(words)


def _configurations(method: str, members: Sequence[StoredRun],
                    key: Callable[[Record], K]) -> list[MethodRuns[K]]:
    return sorted((_line(method, settings, own, key)
                   for settings, own in told_apart(members, _of_the_method)),
                  key=lambda line: line.label)


def _line(method: str, settings: dict[str, Any], members: Sequence[StoredRun],
          key: Callable[[Record], K]) -> MethodRuns[K]:
    runs: dict[K, StoredRun] = {}
    failed: dict[K, StoredRun] = {}
    for found in members:
        kept = runs if found.record.status == "complete" else failed
        kept.setdefault(key(found.record), found)
    return MethodRuns(method, settings, members[0].record.method.kind == "bound", runs,
                {at: found for at, found in failed.items() if at not in runs})


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

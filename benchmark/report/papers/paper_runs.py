"""The runs a paper's table is measured by: exactly those that the printed commands would make."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.request import RunRequest
from benchmark.record import Record
from benchmark.report.papers.paper_places import Place, Variant
from benchmark.report.runs.collection import Collection, StoredRun
from benchmark.report.runs.groups import Group, groups_of
from benchmark.report.runs.lines import MethodRuns


class Runs:
    """The runs of a place by method and seed.

    A run counts when its whole configuration is the one its command resolves to: method settings,
    recipe, data set and order. All of them saw the same data under the same protocol.
    """

    def __init__(self, place: Place, variants: Iterable[Variant], collection: Collection,
                 extra: Sequence[str] = ()) -> None:
        self._place, self._extra = place, extra
        wanted = list(dict.fromkeys(variants))
        found = [{variant: line for variant in wanted for line in group.lines
                  if _configuration(line.record) == self._expected(variant)}
                 for group in _groups(collection, place.sequence)]
        self._lines: dict[Variant, MethodRuns[int]] = max(found, key=_count, default={})
        self.left_out = sum(map(_count, found)) - _count(self._lines)
        """Runs with the right configuration but other data or another protocol."""

    def of(self, variant: Variant) -> dict[int, StoredRun]:
        """Finished runs by seed."""
        line = self._lines.get(variant)
        return dict(sorted(line.runs.items())) if line else {}

    @property
    def record(self) -> Record | None:
        """Any record: what it says of the data holds for all of them."""
        return next((line.record for line in self._lines.values()), None)

    def first_seed(self) -> int:
        """The smallest seed of any run; 0 where there is none."""
        return min((seed for line in self._lines.values() for seed in line.runs), default=0)

    def is_bound(self, variant: Variant) -> bool:
        return self._plan(variant).method.kind == "bound"

    def command(self, variant: Variant, seed: int) -> str:
        """The command of a run, and why it failed where it did."""
        place = self._place
        words = ["lhlbench", "run", "--method", variant.method, "--sequence", place.sequence,
                 "--recipe", place.recipe, *(["--tuned"] if place.tuned else []),
                 "--seed", str(seed),
                 *(word for text in place.settings for word in ("--set", text)),
                 *(word for text in variant.settings for word in ("--method-set", text)),
                 *self._extra]
        line = self._lines.get(variant)
        failed = line.failed.get(seed) if line else None
        reason = " ".join(failed.record.reason.split()) if failed else ""
        return shlex.join(words) + (f"  # failed: {reason}" if failed else "")

    def _plan(self, variant: Variant) -> Plan:
        place = self._place
        return _plan(variant, place.sequence, place.recipe, place.settings, place.tuned)

    def _expected(self, variant: Variant) -> dict[str, Any]:
        return _comparable(self._plan(variant).config.canonical())


def _configuration(record: Record) -> dict[str, Any]:
    return _comparable(dict(record.config))


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    """A run's configuration without its seed and without what changes no number."""
    recipe = {key: value for key, value in dict(config.get("recipe") or {}).items()
              if key != "about"}
    return {key: value for key, value in config.items() if key != "seed"} | {"recipe": recipe}


def _groups(collection: Collection, sequence: str) -> list[Group]:
    known = any(found.record.sequence == sequence
                for found in (*collection.complete, *collection.failed))
    return groups_of(collection, [sequence]) if known else []


def _count(lines: dict[Variant, MethodRuns[int]]) -> int:
    return sum(len(line.runs) for line in lines.values())


@cache
def _plan(variant: Variant, sequence: str, recipe: str, settings: tuple[str, ...],
          tuned: bool) -> Plan:
    return make_plan(RunRequest(variant.method, sequence, 0, settings, variant.settings, recipe,
                                tuned))

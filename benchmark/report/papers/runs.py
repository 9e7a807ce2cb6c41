"""The runs a paper's table is measured by: exactly those that the printed commands would make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.request import RunRequest
from benchmark.record import Record
from benchmark.report.papers.mapping import MethodVariant, PaperMapping, TableMapping
from benchmark.report.papers.scores import MeasuredRun
from benchmark.report.runs.collection import RunCollection, StoredRun
from benchmark.report.runs.frame import matrix_of
from benchmark.report.runs.grid import MethodRuns, sequence_grids


class TableRuns:
    """The runs of a table by method and seed.

    A run counts when its whole configuration is the one its command resolves to: method settings,
    recipe, data set and order. All of them saw the same data under the same protocol.
    """

    def __init__(self, table: TableMapping, mapping: PaperMapping,
                 variants: Iterable[MethodVariant], collection: RunCollection, convention: str,
                 extra: Sequence[str] = ()) -> None:
        """`extra` are words put at the end of every command."""
        self._table, self._tuned, self._extra = table, mapping.is_tuned(table), extra
        self._convention = convention
        self._measured: dict[str, MeasuredRun] = {}
        self._variants = list(dict.fromkeys(variants))
        own = collection.filtered(lambda run: run.record.sequence == table.sequence)
        found = [{variant: method for variant in self._variants for method in grid.methods
                  if _comparable(method.record.config) == self._expected(variant)}
                 for grid in sequence_grids(own)]
        self._methods: dict[MethodVariant, MethodRuns] = max(found, key=_count, default={})
        self.left_out = sum(map(_count, found)) - _count(self._methods)
        """Runs with the right configuration but other data or another protocol."""

    @property
    def record(self) -> Record | None:
        """Any record: what it says of the data holds for all of them."""
        return next((method.record for method in self._methods.values()), None)

    def of(self, variant: MethodVariant) -> dict[int, StoredRun]:
        """Finished runs by seed."""
        method = self._methods.get(variant)
        return {seed: run for (_, seed), run in sorted(method.runs.items())} if method else {}

    def measured(self, variant: MethodVariant, seed: int) -> MeasuredRun:
        """Matrix and cost of a finished run. Raises `RequestError` when it cannot be scored under
        the convention."""
        run = self.of(variant)[seed]
        run_id = run.record.run_id
        if run_id not in self._measured:
            self._measured[run_id] = MeasuredRun(matrix_of(run, self._convention), run.record.cost)
        return self._measured[run_id]

    def shared_seeds(self, variants: Iterable[MethodVariant]) -> list[int]:
        """The seeds with which all of `variants` were run."""
        return sorted(set.intersection(*(set(self.of(variant)) for variant in variants)))

    def missing(self, own: MethodVariant, variants: Iterable[MethodVariant]) -> tuple[str, ...]:
        """The commands that give `own` a value with a seed it was run with, else with the first
        seed of any run."""
        seed = min(self.of(own), default=self._first_seed())
        return tuple(self.command(variant, seed) for variant in variants
                     if seed not in self.of(variant))

    def incomplete(self) -> tuple[str, ...]:
        """The commands that give every method with runs the seeds of all others."""
        runs = {variant: self.of(variant) for variant in self._variants}
        seeds = sorted({seed for own in runs.values() for seed in own})
        return tuple(self.command(variant, seed) for variant, own in runs.items() if own
                     for seed in seeds if seed not in own)

    def is_bound(self, variant: MethodVariant) -> bool:
        return _plan(self._request(variant)).method.kind == "bound"

    def command(self, variant: MethodVariant, seed: int) -> str:
        """The command of a run, and why it failed where it did."""
        method = self._methods.get(variant)
        failed = method.failed.get((self._table.sequence, seed)) if method else None
        reason = " ".join(failed.record.reason.split()) if failed else ""
        command = self._request(variant, seed).command(self._extra)
        return f"{command}  # failed: {reason}" if failed else command

    def _first_seed(self) -> int:
        return min((seed for method in self._methods.values() for _, seed in method.runs),
                   default=0)

    def _request(self, variant: MethodVariant, seed: int = 0) -> RunRequest:
        table = self._table
        return RunRequest(variant.method, table.sequence, seed, table.settings, variant.settings,
                          table.recipe, self._tuned)

    def _expected(self, variant: MethodVariant) -> dict[str, Any]:
        return _comparable(_plan(self._request(variant)).config.canonical())


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    """A run's configuration without its seed and without what changes no number."""
    recipe = {key: value for key, value in dict(config.get("recipe") or {}).items()
              if key != "about"}
    return {key: value for key, value in config.items() if key != "seed"} | {"recipe": recipe}


def _count(methods: dict[MethodVariant, MethodRuns]) -> int:
    return sum(len(method.runs) for method in methods.values())


@cache
def _plan(request: RunRequest) -> Plan:
    return make_plan(request)

"""Plots of records: one module per kind, each with `draw`.

`draw(collection, sequences, to) -> list[Path]` writes PNG and PDF files below `to` and returns
them; `sequences` are names or globs to keep. Kinds that measure gains take `baseline` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path

from benchmark.errors import RequestError, unknown
from benchmark.report.runs.collection import Collection, StoredRun
from benchmark.report.runs.grid import BASELINES

PLOTS = {
    "forgetting": "benchmark.report.plots.forgetting",
    "matrix": "benchmark.report.plots.matrix",
    "delta": "benchmark.report.plots.delta",
    "stability": "benchmark.report.plots.stability",
    "tradeoff": "benchmark.report.plots.tradeoff",
    "ranks": "benchmark.report.plots.ranks",
    "orders": "benchmark.report.plots.orders",
    "separate": "benchmark.report.plots.separate",
    "predictions": "benchmark.report.plots.predictions",
    "imbalance": "benchmark.report.plots.imbalance",
    "gradients": "benchmark.report.plots.gradients",
}
"""The kinds: the name a user types -> the module that draws it."""

WITH_BASELINE = frozenset({"delta", "stability", "tradeoff", "ranks", "orders"})
"""Kinds whose `draw` takes the baseline gains are measured against."""

USUAL_METHODS = {"separate": ("had",)}
"""Methods a kind shows unless others are asked for, where there are runs of them."""


def draw(kind: str, collection: Collection, sequences: Sequence[str] | None, to: Path,
         methods: Sequence[str] = (), baseline: str | None = None) -> list[Path]:
    """Draw one kind of plot below `to`; the files written.

    `methods` are names or globs; bounds and baselines are kept beside them. Without a `baseline`
    each kind takes its own. Raises `RequestError` for a kind that does not exist, for a baseline
    where a kind takes none, and for patterns that no run matches.
    """
    if kind not in PLOTS:
        raise unknown("plot", kind, PLOTS)
    if baseline is not None and kind not in WITH_BASELINE:
        raise RequestError(f"plot {kind} takes no baseline; {', '.join(sorted(WITH_BASELINE))} do")
    module = import_module(PLOTS[kind])
    if not methods:
        methods = [name for name in USUAL_METHODS.get(kind, ()) if name in _names(collection)]
    given = {"baseline": baseline} if baseline else {}
    files: list[Path] = module.draw(_only(collection, methods), sequences, to, **given)
    return files


def _only(collection: Collection, methods: Sequence[str]) -> Collection:
    if not methods:
        return collection
    names = _names(collection)
    for pattern in methods:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise unknown("method with runs", pattern, names)

    def kept(found: StoredRun) -> bool:
        method = found.record.method
        return (method.kind == "bound" or method.name in BASELINES
                or any(fnmatchcase(method.name, pattern) for pattern in methods))

    return replace(collection, complete=tuple(filter(kept, collection.complete)),
                   failed=tuple(filter(kept, collection.failed)))


def _names(collection: Collection) -> set[str]:
    return {found.record.method.name for found in (*collection.complete, *collection.failed)}

"""The records a command reads, with what was left out told on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmark.config.shipped import shipped
from benchmark.errors import RequestError
from benchmark.report.runs.collection import RunCollection, collect


def collected(runs: Path, no_published: bool, where: Sequence[str] = ()) -> RunCollection:
    """Every record below `runs`, and the published ones, with the settings of `where`.

    Raises `RequestError` when none is complete.
    """
    collection = collect(runs, None if no_published else shipped("results/published"))
    if where and collection.complete:
        collection = collection.with_settings(where)
    errors = Console(stderr=True, highlight=False)
    for warning in collection.warnings:
        errors.print(warning, markup=False)
    for found in collection.failed:
        errors.print(f"left out: {found.record.run_id} failed: {found.record.reason}",
                     markup=False)
    if not collection.complete:
        raise RequestError(f"no finished run in {runs}; make one with lhlbench run --method had "
                           "--sequence rooms_s1")
    return collection

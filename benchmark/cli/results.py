"""`lhlbench table`, `plot` and `validate`: from records to what people read."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmark.cli.output import print_json
from benchmark.config.shipped import shipped
from benchmark.errors import RequestError, unknown
from benchmark.report.records import Collection, collect


def _collect(runs: Path, no_published: bool) -> Collection:
    collection = collect(runs, None if no_published else shipped("results/published"))
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


def table_command(sequences: str, baseline: str, convention: str, format: str, costs: bool,
                  runs: Path, no_published: bool) -> None:
    """Print comparison tables."""
    from benchmark.report.render import render
    from benchmark.report.table import build

    tables = build(_collect(runs, no_published), sequences.split(","), baseline, convention,
                   costs_only=costs)
    text = render(tables, format, Console())
    if text is not None:
        print(text, end="" if text.endswith("\n") else "\n")


def plot_command(what: str, sequences: str, to: Path, runs: Path, no_published: bool) -> None:
    """Draw figures and print their paths."""
    from benchmark.report.plot import forgetting

    figures = {"forgetting": forgetting}
    if what not in figures:
        raise unknown("plot", what, figures)
    for path in figures[what](_collect(runs, no_published), sequences.split(","), to):
        print(path)


def validate_command(records: list[Path], as_json: bool) -> None:
    """Check each record; exit code 2 when one is not what its statistics say."""
    from benchmark.report.validation import problems

    found = {str(path): problems(path) for path in records}
    if as_json:
        print_json(found)
    else:
        for path, wrong in found.items():
            print(f"{path}: {wrong or 'valid'}")
    if bad := [path for path, wrong in found.items() if wrong]:
        raise RequestError(f"{len(bad)} of {len(found)} records are not valid")

"""`lhlbench paper`: the tables of the papers, published numbers beside measured ones."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmark.cli.options import RUNS
from benchmark.config.shipped import shipped
from benchmark.report.records import collect


def paper_command(name: str, embedded: bool, sequences: str | None, convention: str,
                  format: str, data_root: Path | None, runs: Path, no_published: bool) -> None:
    """Print a paper's tables; without any record they are all holes and commands."""
    from benchmark.report.paper import build
    from benchmark.report.paper_data import published
    from benchmark.report.paper_render import render

    cells = published(name)
    collection = collect(runs, None if no_published else shipped("results/published"))
    for warning in collection.warnings:
        Console(stderr=True, highlight=False).print(warning, markup=False)
    extra = [*(["--data-root", str(data_root)] if data_root else []),
             *(["--runs", str(runs)] if runs != RUNS else [])]
    tables = build(cells, collection, embedded, sequences.split(",") if sequences else None,
                   convention, extra)
    text = render(tables, format, Console())
    if text is not None:
        print(text, end="" if text.endswith("\n") else "\n")

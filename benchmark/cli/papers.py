"""`lhlbench paper`: the tables of the papers, published numbers beside measured ones."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmark.cli.options import RUNS
from benchmark.cli.output import print_json
from benchmark.config.shipped import shipped
from benchmark.report.runs.collection import collect


def paper_command(name: str, embedded: bool, tuned: bool, sequences: str | None, convention: str,
                  format: str, only_missing: bool, data_root: Path | None, runs: Path,
                  no_published: bool) -> None:
    """Print a paper's tables, or only what is missing; no record at all is no error."""
    from benchmark.report.papers.build import paper_tables
    from benchmark.report.papers.published import published_cells
    from benchmark.report.papers.text import missing_runs, render_paper

    cells = published_cells(name)
    collection = collect(runs, None if no_published else shipped("results/published"))
    for warning in collection.warnings:
        Console(stderr=True, highlight=False).print(warning, markup=False)
    extra = [*(["--data-root", str(data_root)] if data_root else []),
             *(["--runs", str(runs)] if runs != RUNS else [])]
    tables = paper_tables(cells, collection, embedded, sequences.split(",") if sequences else None,
                   convention, tuned, extra)
    if only_missing:
        commands = missing_runs(tables)
        if format == "json":
            print_json(commands)
        else:
            print("".join(f"{command}\n" for command in commands), end="")
        return
    text = render_paper(tables, format, Console())
    if text is not None:
        print(text, end="" if text.endswith("\n") else "\n")

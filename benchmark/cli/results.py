"""`lhlbench table`: from records to what people read."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmark.cli.collecting import collected


def table_command(sequences: str, baseline: str, convention: str, format: str, costs: bool,
                  runs: Path, no_published: bool) -> None:
    """Print comparison tables."""
    from benchmark.report.render import render
    from benchmark.report.table import build

    tables = build(collected(runs, no_published), sequences.split(","), baseline, convention,
                   costs_only=costs)
    text = render(tables, format, Console())
    if text is not None:
        print(text, end="" if text.endswith("\n") else "\n")

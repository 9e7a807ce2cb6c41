"""`lhlbench table`: from records to what people read."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmark.cli.collecting import collected
from benchmark.errors import RequestError


def table_command(sequences: str, baseline: str, convention: str, format: str,
                  columns: str | None, all_metrics: bool, costs: bool, orders: bool,
                  ablation: str | None, runs: Path, no_published: bool, where: list[str]) -> None:
    """Print comparison tables. Raises `RequestError` for options that exclude one another."""
    from benchmark.report.tables.build import ablation_tables, order_tables, sequence_tables
    from benchmark.report.tables.columns import COST_COLUMNS, DEFAULT_COLUMNS
    from benchmark.report.tables.render import render

    given = {"--columns": columns is not None, "--all-metrics": all_metrics, "--costs": costs,
             "--orders": orders, "--ablation": ablation is not None}
    asked = [name for name, is_given in given.items() if is_given]
    if len(asked) > 1 and asked != ["--columns", "--all-metrics"]:
        raise RequestError(f"{' and '.join(asked)} ask for different tables; give one of them")
    found, patterns = collected(runs, no_published, where), sequences.split(",")
    if orders:
        tables = order_tables(found, patterns, baseline, convention)
    elif ablation is not None:
        tables = ablation_tables(found, ablation, patterns, baseline, convention)
    else:
        names = (COST_COLUMNS if costs else DEFAULT_COLUMNS if columns is None
                 else columns.split(","))
        tables = sequence_tables(found, patterns, baseline, convention, names, all_metrics)
    text = render(tables, format, Console())
    if text is not None:
        print(text, end="" if text.endswith("\n") else "\n")

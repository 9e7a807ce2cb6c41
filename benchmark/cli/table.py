"""`lhlbench table`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from benchmark.cli.options import (
    RUNS,
    AsJson,
    Baseline,
    Convention,
    Format,
    NoPublished,
    Runs,
    Sequences,
    Where,
)
from benchmark.cli.output import print_text
from benchmark.errors import RequestError


def table(sequences: Sequences = "*", where: Where = None, baseline: Baseline = "finetune",
          convention: Convention = "pixel", format: Format = "rich",
          columns: Annotated[str | None, typer.Option(help="Such as metrics,delta,gap,worst, with "
                                                      "commas: docs/tables.md lists them.")
                             ] = None,
          all_metrics: Annotated[bool, typer.Option("--all-metrics", help="Every metric, not only "
                                                    "primary ones.")] = False,
          costs: Annotated[bool, typer.Option("--costs", help="Delta and what methods cost: "
                                              "memory, exemplars, parameters, passes, time.")
                           ] = False,
          orders: Annotated[bool, typer.Option("--orders", help="Methods x orders of a family: "
                                               "Delta of each order, mean, worst.")] = False,
          ablation: Annotated[str | None, typer.Option(help="METHOD: its configurations that "
                                                       "differ from the usual one in one setting.")
                              ] = None,
          runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Compare methods: metrics, Delta, forgetting, costs; missing runs are shown."""
    from benchmark.cli.records import finished_records
    from benchmark.report.tables.build import ablation_tables, order_tables, sequence_tables
    from benchmark.report.tables.columns import COST_COLUMNS, DEFAULT_COLUMNS
    from benchmark.report.tables.render import render

    options = {"--columns": columns is not None, "--all-metrics": all_metrics, "--costs": costs,
               "--orders": orders, "--ablation": ablation is not None}
    given = [name for name, is_given in options.items() if is_given]
    if len(given) > 1 and given != ["--columns", "--all-metrics"]:
        raise RequestError(f"{' and '.join(given)} ask for different tables; give one of them")
    found, patterns = finished_records(runs, no_published, where), sequences.split(",")
    if orders:
        tables = order_tables(found, patterns, baseline, convention)
    elif ablation is not None:
        tables = ablation_tables(found, ablation, patterns, baseline, convention)
    else:
        names = (COST_COLUMNS if costs else DEFAULT_COLUMNS if columns is None
                 else columns.split(","))
        tables = sequence_tables(found, patterns, baseline, convention, names, all_metrics)
    print_text(render(tables, "json" if as_json else format, Console()))

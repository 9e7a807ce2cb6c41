"""`lhlbench table`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
from benchmark.cli.output import PlainConsole, print_line, print_text
from benchmark.errors import RequestError
from benchmark.files import write_atomically, writing
from benchmark.report.runs.collection import RunCollection


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
          tidy: Annotated[bool, typer.Option("--tidy", help="One row per measured value, for "
                                             "programs: csv, json or parquet; --columns adds "
                                             "settings such as recipe.lr.")] = False,
          to: Annotated[Path | None, typer.Option("--to", help="File for --tidy; parquet needs "
                                                  "one.")] = None,
          runs: Runs = RUNS, no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Compare methods: metrics, Delta, forgetting, costs; missing runs are shown."""
    from benchmark.cli.records import finished_records
    from benchmark.report.tables.build import ablation_tables, order_tables, sequence_tables
    from benchmark.report.tables.columns import COST_COLUMNS, DEFAULT_COLUMNS
    from benchmark.report.tables.render import render

    options = {"--columns": columns is not None, "--all-metrics": all_metrics, "--costs": costs,
               "--orders": orders, "--ablation": ablation is not None, "--tidy": tidy}
    given = [name for name, is_given in options.items() if is_given]
    if len(given) > 1 and given not in (
            ["--columns", "--all-metrics"], ["--columns", "--tidy"]):
        raise RequestError(f"{' and '.join(given)} ask for different tables; give one of them")
    found, patterns = finished_records(runs, no_published, where), sequences.split(",")
    if tidy:
        _write_tidy(found, patterns, convention, columns, "json" if as_json else format, to)
        return
    if orders:
        tables = order_tables(found, patterns, baseline, convention)
    elif ablation is not None:
        tables = ablation_tables(found, ablation, patterns, baseline, convention)
    else:
        names = (COST_COLUMNS if costs else DEFAULT_COLUMNS if columns is None
                 else columns.split(","))
        tables = sequence_tables(found, patterns, baseline, convention, names, all_metrics)
    print_text(render(tables, "json" if as_json else format, PlainConsole()))


def _write_tidy(found: RunCollection, sequences: list[str], convention: str,
                settings: str | None, format: str, to: Path | None) -> None:
    from benchmark.report.runs.frame import frame_bytes, tidy_frame
    from benchmark.report.runs.grid import grids_of
    from benchmark.tasks.convention import Convention

    frame = tidy_frame(grids_of(found, sequences), str(Convention.parse(convention)),
                       settings.split(",") if settings else ())
    content = frame_bytes(frame, "csv" if format == "rich" else format)
    if to is not None:
        with writing(to):
            write_atomically(to, lambda path: path.write_bytes(content))
        print_line(f"{to}: {len(frame)} values of {frame['run_id'].nunique()} runs")
    elif format == "parquet":
        raise RequestError("parquet is no text; name a file with --to FILE.parquet")
    else:
        print_text(content.decode())

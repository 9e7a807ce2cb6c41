"""`lhlbench speed`."""

from __future__ import annotations

import csv
import io
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmark.cli.options import DataRoot, Device, RecipeName, Settings, require_folder
from benchmark.cli.output import PlainConsole, print_text, strict_json
from benchmark.errors import RequestError, unknown
from benchmark.files import write_text

if TYPE_CHECKING:
    from benchmark.speed.measure import SpeedReport

FORMATS = ("rich", "md", "csv", "json")


def speed(methods: Annotated[str, typer.Option("--methods", help="Names, files and globs with "
                                               "commas; '*' is every lifelong method. finetune "
                                               "is always measured too.")] = "had,lwf",
          sequence: Annotated[str, typer.Option("--sequence", help="A sequence's name, or "
                                                "FILE.yaml[:s2] of your own.")] = "rooms_s1",
          settings: Settings = None,
          method_settings: Annotated[list[str] | None, typer.Option(
              "--method-set", help="METHOD:KEY=VALUE, or KEY=VALUE for all methods; repeatable.")
              ] = None,
          recipe: RecipeName = None,
          old_tasks: Annotated[str | None, typer.Option("--old-tasks", help="Numbers of old tasks, "
                                                        "such as 0,2; default: all there are.")
                               ] = None,
          steps: Annotated[int, typer.Option(min=1, help="Timed steps of each method and number of "
                                             "old tasks.")] = 20,
          device: Device = "auto", data_root: DataRoot = None,
          format: Annotated[str, typer.Option("--format", help="rich, md, csv or json")] = "rich",
          to: Annotated[Path | None, typer.Option("--to", help="File to write instead of "
                                                  "printing.")] = None) -> None:
    """Measure how long a training step takes, against finetune in the same minutes."""
    # Before torch is imported: its profiler tells on standard error when it starts and stops.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

    from benchmark.data.sources.source import DataPaths, default_cache
    from benchmark.engine.environment import make_fabric
    from benchmark.engine.options import Options
    from benchmark.engine.plan import make_plan
    from benchmark.speed.measure import REFERENCE, measure_speed
    from benchmark.sweep.jobs import run_requests

    if format not in FORMATS:
        raise unknown("--format", format, FORMATS)
    if format == "rich" and to is not None:
        raise RequestError("--to FILE takes --format md, csv or json")
    require_folder("--data-root", data_root)
    requests = run_requests(methods, sequence, "0", settings or (), method_settings or (), recipe)
    if len({request.sequence for request in requests}) > 1:
        raise RequestError(f"--sequence {sequence}: name one sequence")
    if REFERENCE not in [request.method for request in requests]:
        requests.insert(0, requests[0].of_method(REFERENCE))
    plans = [make_plan(request) for request in requests]
    counts = (list(range(len(plans[0].config.tasks))) if old_tasks is None
              else _counts(old_tasks))
    make_fabric(device, plans[0].config.recipe.precision)
    console = PlainConsole(stderr=True)
    report = measure_speed(
        plans, Options(runs=Path(), data_paths=DataPaths(default_cache(), data_root),
                       device=device, command=shlex.join(["lhlbench", *sys.argv[1:]])),
        counts, steps, lambda text: console.print(text))
    if format == "rich":
        _print(report, PlainConsole())
        return
    text = {"md": _markdown, "csv": _csv, "json": _json}[format](report)
    if to is not None:
        write_text(to, text)
        print(to)
    else:
        print_text(text)


def _counts(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise RequestError(f"--old-tasks {text}: write numbers with commas, such as 0,2")
    return sorted({int(word) for word in words})


def _rows(report: SpeedReport) -> list[dict[str, Any]]:
    """What follows from the repetitions, a row for each method and number of old tasks."""
    rows = []
    for step in report.steps:
        first, third = step.quartiles
        rows.append({
            "method": step.method, "old tasks": step.old_tasks, "step ms": 1e3 * step.median,
            "q1 ms": 1e3 * first, "q3 ms": 1e3 * third, "images/s": step.images / step.median,
            "x finetune": step.ratio, "% of peak": 100 * report.share(step),
            "peak MiB": step.peak_bytes / 2**20,
            **{f"{name} ms": 1e3 * step.part(name) for name in step.parts}})
    return rows


def _texts(report: SpeedReport) -> tuple[list[str], list[list[str]]]:
    """Headings and cells for people."""
    rows = _rows(report)
    digits = {"x finetune": 2, "images/s": 0, "% of peak": 0, "peak MiB": 0}
    return list(rows[0]), [[f"{value:.{digits.get(name, 1)}f}" if isinstance(value, float)
                            else str(value) for name, value in row.items()] for row in rows]


def _about(report: SpeedReport) -> list[str]:
    machine, repetitions = report.machine, len(report.steps[0].seconds)
    return [f"Medians of {repetitions} steps, methods in turns; q1, q3: quartiles; x finetune: "
            "median ratio of steps measured one after another. Parts: medians of further steps.",
            f"{machine['device_name']}, {machine['threads']} threads, torch "
            f"{machine['versions']['torch']}, {machine['precision']}; peak: what a large "
            f"convolution reaches here, {report.peak_rate / 1e9:.0f} GFLOP/s.", *report.notes]


def _print(report: SpeedReport, console: Console) -> None:
    headings, rows = _texts(report)
    parts = headings.index("peak MiB") + 1
    for title, columns in (("step", range(2, parts)),
                           ("parts of a step, ms", range(parts, len(headings)))):
        table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
        for column in (0, 1, *columns):
            heading = headings[column]
            table.add_column(heading.removesuffix(" ms") if column >= parts else heading,
                             justify="right" if column else "left", no_wrap=not column)
        for row in rows:
            table.add_row(*(row[column] for column in (0, 1, *columns)))
        console.print(table)
    for line in _about(report):
        console.print(line)


def _markdown(report: SpeedReport) -> str:
    headings, rows = _texts(report)
    rule = ["---", *["---:"] * (len(headings) - 1)]
    lines = [f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows)]
    return "\n".join([*lines, "", *_about(report)]) + "\n"


def _csv(report: SpeedReport) -> str:
    rows = _rows(report)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _json(report: SpeedReport) -> str:
    """Every repetition, and what follows from them."""
    return strict_json({
        "machine": report.machine, "convolution_flops_per_second": report.rates,
        "notes": report.notes,
        "steps": [{**asdict(step), "median_seconds": step.median, "quartiles": step.quartiles,
                   "images_per_second": step.images / step.median, "ratio": step.ratio,
                   "share_of_convolution_rate": report.share(step)} for step in report.steps]})

"""`lhlbench sweep`."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmark.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    Device,
    RecipeName,
    Runs,
    Settings,
    require_folder,
    require_writable,
)
from benchmark.cli.output import PlainConsole, print_json, print_line
from benchmark.engine.request import option_words
from benchmark.errors import Interrupted, RunError, unknown

if TYPE_CHECKING:
    from benchmark.engine.options import Options
    from benchmark.engine.plan import Plan
    from benchmark.sweep.progress import RunEvent
    from benchmark.sweep.status import PlannedRun

LAUNCHERS = ("local",)


def sweep(methods: Annotated[str, typer.Option("--methods", help="Names, files and globs with "
                                               "commas; '*' is every lifelong method.")],
          sequences: Annotated[str, typer.Option("--sequences", help="Names, globs, FILE.yaml:s2 "
                                                 "or FILE.yaml:*, with commas.")],
          seeds: Annotated[str, typer.Option(help="Such as 0-4 or 0,2,5-7.")] = "0",
          settings: Settings = None,
          method_settings: Annotated[list[str] | None, typer.Option(
              "--method-set", help="METHOD:KEY=VALUE, or KEY=VALUE for all methods; repeatable.")
              ] = None,
          recipe: RecipeName = None,
          tuned: Annotated[bool, typer.Option("--tuned", help="Methods' settings as tuned for the "
                                              "family, not their defaults.")] = False,
          device: Device = "auto",
          workers: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
          launcher: Annotated[str, typer.Option(help="local: processes of this machine.")
                              ] = "local",
          data_root: DataRoot = None, runs: Runs = RUNS,
          retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also run what failed "
                                                     "before.")] = False,
          dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs and where they "
                                                "stand, run nothing.")] = False,
          as_json: AsJson = False) -> None:
    """Run many methods on many sequences and seeds; what is finished is skipped."""
    from benchmark.data.sources.source import DataPaths, default_cache
    from benchmark.engine.environment import make_fabric
    from benchmark.engine.options import Options
    from benchmark.sweep.jobs import run_requests
    from benchmark.sweep.status import plan_runs

    if launcher not in LAUNCHERS:
        raise unknown("launcher", launcher, LAUNCHERS)
    require_folder("--data-root", data_root)
    console = PlainConsole(stderr=True)
    options = Options(runs=runs, data_paths=DataPaths(default_cache(), data_root), device=device)

    def check_device(plan: Plan) -> None:
        make_fabric(device, plan.config.recipe.precision)

    requests = run_requests(methods, sequences, seeds, settings or (), method_settings or (),
                            recipe, tuned)
    planned = plan_runs(requests, options, check_device)
    _print_counts(planned, retry_failed, console)
    words = option_words(device, data_root, runs)
    if not dry_run:
        planned = _run_all(planned, options, retry_failed, workers, words, console)
    if as_json:
        print_json([_content(run, words) for run in planned])
    elif dry_run:
        for run in planned:
            print_line(f"{run.state:7} {run.run_id}  {run.reason}".rstrip())
    if not dry_run:
        _print_result(planned, words, console)


def _run_all(planned: Sequence[PlannedRun], options: Options, retry_failed: bool, workers: int,
             words: Sequence[str], console: Console) -> list[PlannedRun]:
    """Carry out what is left, and return all runs as they stand then.

    Raises `Interrupted` on Ctrl-C and SIGTERM, with no process left behind.
    """
    from benchmark.cli.progress import SweepDisplay, SweepLines, SweepTable
    from benchmark.sweep.pool import run_all
    from benchmark.sweep.progress import SweepProgress

    ready = [run for run in planned if run.state == "left"
             or (run.state == "failed" and retry_failed)]
    if not ready:
        return list(planned)
    require_writable(options.runs)
    workers = min(workers, len(ready))
    progress = SweepProgress(ready, workers)
    kind = SweepTable if console.is_terminal else SweepLines
    display: SweepDisplay = kind(console, progress)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Closed at once, wherever an interrupt comes, so that no process outlives the sweep.
        with display, closing(run_all(ready, options, workers, _threads(workers), words)) as events:
            for event in events:
                progress.update(event)
                display.show(event)
    except KeyboardInterrupt:
        counts = progress.counts()
        _print_failures([_after(run, progress.latest[run.run_id]) for run in ready], words, console)
        raise Interrupted(f"interrupted; {counts['done']} of {len(ready)} runs are done, and the "
                          "same command goes on with the others") from None
    finally:
        signal.signal(signal.SIGTERM, before)
    return [_after(run, progress.latest.get(run.run_id)) for run in planned]


def _after(run: PlannedRun, event: RunEvent | None) -> PlannedRun:
    return replace(run, state=event.state, reason=event.reason) if event else run


def _threads(workers: int) -> int | None:
    """Threads of each process: its share of the cores; None, torch's own number, where
    OMP_NUM_THREADS sets it."""
    if os.environ.get("OMP_NUM_THREADS"):
        return None
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores // workers)


def _print_counts(planned: Sequence[PlannedRun], retry_failed: bool, console: Console) -> None:
    counts = Counter(run.state for run in planned)
    parts = [f"{len(planned)} runs: {counts['done']} done", f"{counts['left']} left"]
    if counts["failed"]:
        parts.insert(1, f"{counts['failed']} failed before"
                     + (", tried again now" if retry_failed else " (--retry-failed tries again)"))
    console.print(", ".join(parts))


def _print_result(planned: Sequence[PlannedRun], words: Sequence[str], console: Console) -> None:
    """Print failures and counts. Raises `RunError` when a run of the sweep has failed."""
    _print_failures(planned, words, console)
    counts = Counter(run.state for run in planned)
    console.print(f"{counts['done']} of {len(planned)} runs are done")
    if counts["failed"]:
        raise RunError(f"{counts['failed']} of {len(planned)} runs failed; --retry-failed tries "
                       "them again")


def _print_failures(planned: Sequence[PlannedRun], words: Sequence[str], console: Console) -> None:
    for run in planned:
        if run.state == "busy":
            console.print(f"left out: {run.reason}", soft_wrap=True)
        if run.state == "failed":
            command = run.request.command(words)
            console.print(f"failed: {run.request}: {run.reason}\n  {command}",
                          soft_wrap=True)


def _content(run: PlannedRun, words: Sequence[str]) -> dict[str, Any]:
    request = run.request
    return {"run_id": run.run_id, "state": run.state, "reason": run.reason,
            "method": request.method, "sequence": request.sequence, "seed": request.seed,
            "folder": str(run.folder), "command": request.command(words)}


def _interrupt(number: int, frame: FrameType | None) -> None:
    print(f"stopped by signal {number}", file=sys.stderr)
    raise KeyboardInterrupt

"""`lhlbench sweep`."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from benchmark.cli.options import RUNS
from benchmark.cli.output import print_json
from benchmark.cli.running import require_writable
from benchmark.cli.sweep_progress import LineScreen, Screen, TableScreen
from benchmark.data.sources.source import DataPaths, default_cache
from benchmark.engine.environment import make_fabric
from benchmark.engine.options import Options
from benchmark.engine.plan import Plan
from benchmark.errors import Interrupted, RequestError, RunError, unknown
from benchmark.sweep.jobs import run_requests
from benchmark.sweep.pool import run_all
from benchmark.sweep.progress import Progress, RunEvent
from benchmark.sweep.status import PlannedRun, plan_runs

LAUNCHERS = ("local",)


def sweep_command(methods: str, sequences: str, seeds: str, settings: list[str],
                  method_settings: list[str], recipe: str | None, tuned: bool, device: str,
                  workers: int, launcher: str, data_root: Path | None, runs: Path,
                  retry_failed: bool, dry_run: bool, as_json: bool) -> None:
    """Plan, carry out what is left, and tell what failed; exit code 1 when something did."""
    if launcher not in LAUNCHERS:
        raise unknown("launcher", launcher, LAUNCHERS)
    if data_root is not None and not data_root.is_dir():
        raise RequestError(f"--data-root {data_root} is not a folder")
    console = Console(stderr=True, highlight=False)
    options = Options(runs=runs, data_paths=DataPaths(default_cache(), data_root), device=device)

    def check(plan: Plan) -> None:
        make_fabric(device, plan.config.recipe.precision)

    requests = run_requests(methods, sequences, seeds, settings, method_settings, recipe,
                            tuned)
    entries = plan_runs(requests, options, check)
    _print_plan(entries, retry_failed, console)
    words = _shared_words(device, data_root, runs)
    if not dry_run:
        entries = _carried_out(entries, options, retry_failed, workers, words, console)
    if as_json:
        print_json([_told(entry, words) for entry in entries])
    elif dry_run:
        for entry in entries:
            print(f"{entry.state:7} {entry.run_id}  {entry.reason}".rstrip())
    if not dry_run:
        _report(entries, words, console)


def _carried_out(entries: Sequence[PlannedRun], options: Options, retry_failed: bool, workers: int,
                 words: Sequence[str], console: Console) -> list[PlannedRun]:
    """The entries as they stand after everything that is to be run was."""
    ready = [entry for entry in entries if entry.state == "left"
             or (entry.state == "failed" and retry_failed)]
    if not ready:
        return list(entries)
    require_writable(options.runs)
    workers = min(workers, len(ready))
    tally = Progress(ready, workers)
    screen: Screen = (TableScreen if console.is_terminal else LineScreen)(console, tally)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Closed at once, wherever an interrupt comes, so that no process outlives the sweep.
        with screen, closing(run_all(ready, options, workers, _threads(workers),
                                       words)) as events:
            for event in events:
                tally.update(event)
                screen.show(event)
    except KeyboardInterrupt:
        counts = tally.counts()
        ended = [_after(entry, tally.latest[entry.run_id]) for entry in ready]
        _tell_failures(ended, words, console)
        raise Interrupted(f"interrupted; {counts['done']} of {len(ready)} runs are done, and the "
                          "same command goes on with the others") from None
    finally:
        signal.signal(signal.SIGTERM, before)
    return [_after(entry, tally.latest.get(entry.run_id)) for entry in entries]


def _after(entry: PlannedRun, event: RunEvent | None) -> PlannedRun:
    return replace(entry, state=event.state, reason=event.reason) if event else entry


def _threads(workers: int) -> int | None:
    """Threads of each process: its share of the cores, unless OMP_NUM_THREADS says."""
    if os.environ.get("OMP_NUM_THREADS"):
        return None
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores // workers)


def _print_plan(entries: Sequence[PlannedRun], retry_failed: bool, console: Console) -> None:
    counts = Counter(entry.state for entry in entries)
    told = [f"{len(entries)} runs: {counts['done']} done", f"{counts['left']} left"]
    if counts["failed"]:
        told.insert(1, f"{counts['failed']} failed before"
                    + (", tried again now" if retry_failed else " (--retry-failed tries again)"))
    console.print(", ".join(told), markup=False)


def _report(entries: Sequence[PlannedRun], words: Sequence[str], console: Console) -> None:
    """Say how it went. Raises `RunError` when a run of the sweep has failed."""
    _tell_failures(entries, words, console)
    counts = Counter(entry.state for entry in entries)
    console.print(f"{counts['done']} of {len(entries)} runs are done", markup=False)
    if counts["failed"]:
        raise RunError(f"{counts['failed']} of {len(entries)} runs failed; --retry-failed tries "
                       "them again")


def _tell_failures(entries: Sequence[PlannedRun], words: Sequence[str], console: Console) -> None:
    for entry in entries:
        if entry.state == "busy":
            console.print(f"left out: {entry.reason}", markup=False, soft_wrap=True)
        if entry.state == "failed":
            command = entry.request.command(words)
            console.print(f"failed: {entry.request}: {entry.reason}\n  {command}", markup=False,
                          soft_wrap=True)


def _told(entry: PlannedRun, words: Sequence[str]) -> dict[str, Any]:
    request = entry.request
    return {"run_id": entry.run_id, "state": entry.state, "reason": entry.reason,
            "method": request.method, "sequence": request.sequence, "seed": request.seed,
            "folder": str(entry.folder), "command": request.command(words)}


def _shared_words(device: str, data_root: Path | None, runs: Path) -> list[str]:
    """Options every single run would be given."""
    given = (("--device", device, device != "auto"), ("--data-root", data_root, data_root),
             ("--runs", runs, runs != RUNS))
    return [str(word) for option, value, told in given if told for word in (option, value)]


def _interrupt(number: int, frame: FrameType | None) -> None:
    print(f"stopped by signal {number}", file=sys.stderr)
    raise KeyboardInterrupt

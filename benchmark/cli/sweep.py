"""`lhlbench sweep`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache, partial
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
from benchmark.engine.request import RunRequest, option_words
from benchmark.engine.stopping import StopSignals
from benchmark.errors import RequestError, RunError, SignalReceived, Suspended, stopped_by

if TYPE_CHECKING:
    from benchmark.engine.options import Options
    from benchmark.engine.plan import Plan
    from benchmark.sweep.launchers.launcher import LaunchSettings
    from benchmark.sweep.progress import SweepProgress
    from benchmark.sweep.schedule import Sweep
    from benchmark.sweep.status import PlannedRun

_BASELINE = "finetune"
"""What tables compare with unless another baseline is chosen."""


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
          workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: one, "
                                                      "one per GPU, or what the cluster takes."
                                                      )] = None,
          per_gpu: Annotated[int | None, typer.Option("--per-gpu", min=1, help="Runs at a time on "
                                                      "one GPU.")] = None,
          launcher: Annotated[str, typer.Option(help="local: processes of this machine; slurm: job "
                                                "arrays; ray: tasks of a cluster.")] = "local",
          slurm: Annotated[list[str] | None, typer.Option(
              "--slurm", help="An option of sbatch, KEY=VALUE such as partition=gpu; repeatable.")
              ] = None,
          ray: Annotated[list[str] | None, typer.Option(
              "--ray", help="num_cpus, num_gpus or memory of a run, KEY=VALUE; repeatable.")
              ] = None,
          ray_address: Annotated[str | None, typer.Option(
              "--ray-address", help="A running cluster's; auto finds it; default: start one here.")
              ] = None,
          data_root: DataRoot = None, runs: Runs = RUNS,
          retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also run what failed "
                                                     "before.")] = False,
          max_hours: Annotated[float | None, typer.Option(
              "--max-hours", help="Begin no run after this time, end those under way at a "
              "checkpoint, and exit with code 75 where runs are left.")] = None,
          wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for runs that another "
                                             "command is at, or leave them out.")] = True,
          dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs, where they stand "
                                                "and how long they take; run nothing.")] = False,
          as_json: AsJson = False) -> None:
    """Run many methods on many sequences and seeds; what is finished is skipped."""
    begun = time.time()
    if max_hours is not None and not 0 <= max_hours < 1e5:
        raise RequestError(f"--max-hours {max_hours}: write a number of hours")
    require_folder("--data-root", data_root)
    console = PlainConsole(stderr=True)
    signals = StopSignals()
    with _ending_by(signals):
        from benchmark.data.sources.source import DataPaths, default_cache
        from benchmark.engine.environment import make_fabric
        from benchmark.engine.options import Options
        from benchmark.sweep.jobs import run_requests
        from benchmark.sweep.launchers.launcher import LaunchSettings
        from benchmark.sweep.schedule import Sweep
        from benchmark.sweep.status import plan_runs
        from benchmark.sweep.worker import NO_DEADLINE, Deadline

        launch = LaunchSettings(launcher, runs, device, workers, per_gpu, tuple(slurm or ()),
                                tuple(ray or ()), ray_address)
        launch.check()
        options = Options(runs=runs, data_paths=DataPaths(default_cache(), data_root),
                          device=device)

        here = device if launcher == "local" or device not in ("auto", "cuda") else "cpu"
        fabric_of = cache(partial(make_fabric, here))

        def check_device(plan: Plan) -> None:
            fabric_of(plan.config.recipe.precision)

        requests = run_requests(methods, sequences, seeds, settings or (), method_settings or (),
                                recipe, tuned)
        planned = plan_runs(requests, options, check_device)
        words = option_words(device, data_root, runs)
        _print_plan(planned, options, workers or 1, retry_failed, console)
        _print_missing_baseline(requests, options, console)
        if not dry_run:
            signals.check()
            deadline = Deadline(begun + max_hours * 3600) if max_hours is not None else NO_DEADLINE
            planned = _run_all(planned, launch, Sweep(options, words, deadline, wait),
                               retry_failed, signals, console)
    if as_json:
        print_json([_content(run, words) for run in planned])
    elif dry_run:
        for run in planned:
            print_line(f"{run.state:9} {run.run_id}  {run.reason}".rstrip())
    if not dry_run:
        _print_result(planned, words, console)


@contextmanager
def _ending_by(signals: StopSignals) -> Iterator[None]:
    """Within the context, signals end the sweep with the error whose exit code tells which."""
    try:
        with signals:
            yield
    except SignalReceived as error:
        raise stopped_by(error.number, "the same command goes on") from None


def _run_all(planned: Sequence[PlannedRun], launch: LaunchSettings, sweep: Sweep,
             retry_failed: bool, signals: StopSignals, console: Console) -> list[PlannedRun]:
    """Carry out what is left, and return all runs as they stand then.

    Stopped by a signal, no process is left behind, and `SignalReceived` is raised.
    """
    from benchmark.cli.progress import SweepDisplay, SweepLines, SweepTable
    from benchmark.sweep.launchers.launcher import make_launcher
    from benchmark.sweep.progress import SweepProgress

    ready = [run for run in planned if run.state in ("left", "elsewhere")
             or (run.state == "failed" and retry_failed)]
    if not ready:
        return list(planned)
    workers = launch.workers and min(launch.workers, len(ready))
    launcher = make_launcher(replace(launch, workers=workers))
    require_writable(launch.runs)
    progress = SweepProgress(ready, launcher.workers)
    kind = SweepTable if console.is_terminal else SweepLines
    display: SweepDisplay = kind(console, progress)
    signals.check()
    try:
        # Closed at once, wherever an interrupt comes, so that no process outlives the sweep.
        with display, closing(sweep.run_all(ready, launcher)) as events:
            for event in events:
                progress.update(event)
                display.show(event)
                signals.check()
    except SignalReceived:
        after = [_after(run, progress) for run in planned]
        _print_failures(after, sweep.option_words, console)
        _print_done(after, console)
        raise
    return [_after(run, progress) for run in planned]


def _after(run: PlannedRun, progress: SweepProgress) -> PlannedRun:
    event = progress.latest.get(run.run_id)
    return replace(run, state=event.state, reason=event.reason) if event else run


def _print_plan(planned: Sequence[PlannedRun], options: Options, workers: int,
                retry_failed: bool, console: Console) -> None:
    """Print where the runs stand, and about how long those take that are to be run."""
    counts = Counter(run.state for run in planned)
    parts = [f"{len(planned)} runs: {counts['done']} done"]
    if counts["failed"]:
        parts.append(f"{counts['failed']} failed before"
                     + (", tried again now" if retry_failed else " (--retry-failed tries again)"))
    if counts["elsewhere"]:
        parts.append(f"{counts['elsewhere']} running elsewhere")
    console.print(", ".join([*parts, f"{counts['left']} left"]))
    left = [run for run in planned
            if run.state == "left" or (run.state == "failed" and retry_failed)]
    if text := _expected_time(planned, left, options, workers):
        console.print(text, soft_wrap=True)


def _expected_time(planned: Sequence[PlannedRun], left: Sequence[PlannedRun], options: Options,
                   workers: int) -> str | None:
    """The time that `left` takes, by the runs that are finished; None where nothing is known."""
    from benchmark.cli.progress import duration
    from benchmark.sweep.estimate import similar_records
    from benchmark.sweep.status import expectation

    wanted = {run.workload for run in left if run.workload}
    expected = expectation(planned, similar_records(options.runs, wanted))
    known = {workload: seconds for workload in wanted
             if (seconds := expected.seconds(workload)) is not None}
    times = [known[run.workload] for run in left if run.workload in known]
    if not times:
        return None
    text = (f"about {duration(max(sum(times) / workers, max(times)))} with {workers} "
            f"worker{'s' * (workers > 1)}, by the times of {expected.runs} finished runs")
    unknown = len(left) - len(times)
    return text + (f"; not counted: {unknown} runs unlike any that is finished" if unknown else "")


def _print_missing_baseline(requests: Sequence[RunRequest], options: Options,
                            console: Console) -> None:
    from benchmark.sweep.status import missing_baseline

    missing, of = missing_baseline(requests, options, _BASELINE)
    if missing:
        console.print(f"note: tables compare with {_BASELINE}, of which {missing} of {of} runs on "
                      f"these sequences and seeds are missing; --methods {_BASELINE},... adds them",
                      soft_wrap=True)


def _print_result(planned: Sequence[PlannedRun], words: Sequence[str], console: Console) -> None:
    """Print failures and counts. Raises `Suspended` when runs are left, and `RunError` when a
    run of the sweep has failed."""
    _print_failures(planned, words, console)
    _print_done(planned, console)
    counts = Counter(run.state for run in planned)
    if left := counts["left"] + counts["elsewhere"]:
        raise Suspended(f"{left} of {len(planned)} runs are not finished; the same command goes "
                         "on with them")
    if counts["failed"]:
        raise RunError(f"{counts['failed']} of {len(planned)} runs failed; --retry-failed tries "
                       "them again")


def _print_done(planned: Sequence[PlannedRun], console: Console) -> None:
    done = sum(run.state == "done" for run in planned)
    console.print(f"{done} of {len(planned)} runs are done")


def _print_failures(planned: Sequence[PlannedRun], words: Sequence[str], console: Console) -> None:
    for run in planned:
        if run.state == "elsewhere":
            console.print(f"running elsewhere: {run.request}: {run.reason}", soft_wrap=True)
        if run.state == "failed":
            command = run.request.command(words)
            console.print(f"failed: {run.request}: {run.reason}\n  {command}", soft_wrap=True)


def _content(run: PlannedRun, words: Sequence[str]) -> dict[str, Any]:
    request = run.request
    return {"run_id": run.run_id, "state": run.state, "reason": run.reason,
            "method": request.method, "sequence": request.sequence, "seed": request.seed,
            "folder": str(run.folder), "command": request.command(words)}

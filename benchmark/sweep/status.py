"""Where the runs of a sweep stand: done, failed before, running elsewhere, or left to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmark.config.family import TaskSequence, find_sequence
from benchmark.config.shipped import shipped
from benchmark.engine.execute import open_visible_store
from benchmark.engine.options import Options
from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from benchmark.files import digest
from benchmark.record import RECORD_FILE, Record, load_record
from benchmark.report.runs.unfinished import is_running
from benchmark.sweep.estimate import Expectation, Workload, run_seconds

State = Literal["done", "failed", "left", "running", "elsewhere"]
"""left: not started, or interrupted. elsewhere: a process of another command carries it out."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep and where it stands."""

    request: RunRequest
    run_id: str
    folder: Path
    config_digest: str
    """`config_digest` of the plan; a process that resolves another one must not run it."""
    state: State
    reason: str = ""
    """Why it failed, or cannot be run now."""
    workload: Workload | None = None
    """What its time depends on."""
    seconds: float | None = None
    """Training and evaluation time, of a run that is done."""


def plan_runs(requests: Iterable[RunRequest], options: Options,
              check: Callable[[Plan], object] = lambda plan: None) -> list[PlannedRun]:
    """Resolve every request, open its data (made here, once, when missing) and read its record.

    Requests that resolve to the same run give one planned run. `check` may refuse a plan. Raises
    `RequestError` before anything is run.
    """
    planner = _Planner(options, check)
    runs: dict[str, PlannedRun] = {}
    for request in requests:
        run = planner.run(request)
        runs.setdefault(run.run_id, run)
    return [look_up(run) for run in runs.values()]


def look_up(run: PlannedRun) -> PlannedRun:
    """The run as it stands now: by its record, and by whether a process is at it."""
    if (run.folder / RECORD_FILE).exists():
        try:
            record = load_record(run.folder)
        except RequestError as error:
            run = replace(run, state="failed", reason=str(error))
        else:
            if record.status == "complete":
                return replace(run, state="done", reason="", seconds=run_seconds(record))
            run = replace(run, state="failed", reason=record.reason)
    else:
        run = replace(run, state="left", reason="")
    if is_running(run.folder):
        return replace(run, state="elsewhere", reason=f"{run.folder} is being run by another "
                                                      "process")
    return run


def missing_baseline(requests: Sequence[RunRequest], options: Options,
                     baseline: str) -> tuple[int, int]:
    """How many of the sequences and seeds of `requests` will have no finished run of the method
    that tables compare with, and of how many; records that come with lhlbench count too."""
    if any(request.method == baseline for request in requests):
        return 0, 0
    wanted = dict.fromkeys(request.of_method(baseline) for request in requests)
    planned = plan_runs(wanted, options)
    published = {file.parent.name for file in shipped("results/published").rglob(RECORD_FILE)}
    missing = [run for run in planned if run.state != "done" and run.run_id not in published]
    return len(missing), len(wanted)


def config_digest(plan: Plan) -> str:
    """sha256 of the resolved configuration."""
    return digest(plan.config.canonical())


def expectation(runs: Sequence[PlannedRun], others: Iterable[Record] = ()) -> Expectation:
    """How long runs take, by those of `runs` that are done and by `others`."""
    finished = [(run.workload, run.seconds) for run in runs if run.workload and run.seconds]
    own = {run.run_id for run in runs}
    finished += [(Workload.of_record(record), run_seconds(record)) for record in others
                 if record.status == "complete" and record.run_id not in own]
    return Expectation(finished)


class _Planner:
    """Resolves requests; those that differ in their seed only are resolved once."""

    def __init__(self, options: Options, check: Callable[[Plan], object]) -> None:
        self._options, self._check = options, check
        self._sequences: dict[str, TaskSequence] = {}
        self._plans: dict[RunRequest, tuple[Plan, str, Workload]] = {}
        self._fingerprints: dict[str, str] = {}

    def run(self, request: RunRequest) -> PlannedRun:
        seedless = replace(request, seed=0)
        if seedless not in self._plans:
            self._plans[seedless] = self._resolved(seedless)
        plan, fingerprint, workload = self._plans[seedless]
        plan = replace(plan, config=plan.config.model_copy(update={"seed": request.seed}))
        run_id = plan.run_id(fingerprint)
        return PlannedRun(request, run_id, self._options.runs / run_id, config_digest(plan),
                          "left", workload=workload)

    def _resolved(self, request: RunRequest) -> tuple[Plan, str, Workload]:
        name = request.sequence
        if name not in self._sequences:
            self._sequences[name] = find_sequence(name)
        plan = make_plan(request, self._sequences[name])
        self._check(plan)
        data = digest([plan.config.dataset, plan.config.held_out, str(plan.sequence.file)])
        if data not in self._fingerprints:
            store = open_visible_store(plan, self._options.data_paths)
            self._fingerprints[data] = store.fingerprint
        return plan, self._fingerprints[data], Workload.of_config(plan.config.canonical())

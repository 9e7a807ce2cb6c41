"""Where the runs of a sweep stand: done, failed before, or left to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmark.engine.execute import open_visible_store
from benchmark.engine.options import Options
from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from benchmark.files import digest
from benchmark.record import RECORD_FILE, load_record

State = Literal["done", "failed", "left", "running", "busy"]
"""left: not started, or interrupted. busy: another process carries it out."""


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


def plan_runs(requests: Sequence[RunRequest], options: Options,
              check: Callable[[Plan], object] = lambda plan: None) -> list[PlannedRun]:
    """Resolve every request, open its data (made here, once, when missing) and read its record.

    Requests that resolve to the same run give one planned run. `check` may refuse a plan. Raises
    `RequestError` before anything is run.
    """
    plans: dict[RunRequest, Plan] = {}
    fingerprints: dict[str, str] = {}
    runs: dict[str, PlannedRun] = {}
    for request in requests:
        plan = _plan(request, plans, check)
        data = digest([plan.config.dataset, plan.config.held_out, str(plan.sequence.file)])
        if data not in fingerprints:
            fingerprints[data] = open_visible_store(plan, options.data_paths).fingerprint
        run_id = plan.run_id(fingerprints[data])
        if run_id not in runs:
            runs[run_id] = _planned(request, plan, run_id, options.runs / run_id)
    return list(runs.values())


def config_digest(plan: Plan) -> str:
    """sha256 of the resolved configuration."""
    return digest(plan.config.canonical())


def _plan(request: RunRequest, plans: dict[RunRequest, Plan],
          check: Callable[[Plan], object]) -> Plan:
    """The plan of a request; requests that differ in their seed only are resolved together."""
    seedless = replace(request, seed=0)
    if seedless not in plans:
        plans[seedless] = make_plan(seedless)
        check(plans[seedless])
    plan = plans[seedless]
    return replace(plan, config=plan.config.model_copy(update={"seed": request.seed}))


def _planned(request: RunRequest, plan: Plan, run_id: str, folder: Path) -> PlannedRun:
    state: State = "left"
    reason = ""
    if (folder / RECORD_FILE).exists():
        try:
            record = load_record(folder)
            state, reason = ("done" if record.status == "complete" else "failed"), record.reason
        except RequestError as error:
            state, reason = "failed", str(error)
    return PlannedRun(request, run_id, folder, config_digest(plan), state, reason)

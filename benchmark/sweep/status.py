"""What a sweep finds before it starts: runs that are done, that failed, and that are left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmark.engine.callbacks import Options
from benchmark.engine.execute import data_of
from benchmark.engine.plan import Plan
from benchmark.errors import RequestError
from benchmark.files import digest
from benchmark.record import RECORD_FILE, load
from benchmark.sweep.jobs import Job

State = Literal["done", "failed", "left", "running", "busy"]
"""left: not started, or interrupted. busy: another process carries it out."""


@dataclass(frozen=True)
class Entry:
    """One run of a sweep and where it stands."""

    job: Job
    run_id: str
    folder: Path
    resolved: str
    """Digest of the resolved configuration: whoever carries it out must find the same one."""
    state: State
    reason: str = ""
    """Why it failed, or cannot be run now."""


def survey(jobs: Sequence[Job], options: Options,
           check: Callable[[Plan], object] = lambda plan: None) -> list[Entry]:
    """Resolve every job, open its data (made here, once, when missing) and look for its record.

    Jobs that are the same run are one entry. `check` may refuse a plan. Raises `RequestError`
    before anything is run.
    """
    plans: dict[Job, Plan] = {}
    fingerprints: dict[str, str] = {}
    found: dict[str, Entry] = {}
    for job in jobs:
        plan = _plan(job, plans, check)
        data = digest([plan.config.dataset, plan.config.held_out, str(plan.sequence.file)])
        if data not in fingerprints:
            fingerprints[data] = data_of(plan, options.data_paths).fingerprint
        run_id = plan.run_id(fingerprints[data])
        if run_id not in found:
            found[run_id] = _entry(job, plan, run_id, options.runs / run_id)
    return list(found.values())


def resolved(plan: Plan) -> str:
    """A digest of everything a run was resolved to."""
    return digest(plan.config.canonical())


def _plan(job: Job, plans: dict[Job, Plan], check: Callable[[Plan], object]) -> Plan:
    """Seeds of one configuration are resolved together."""
    usual = replace(job, seed=0)
    if usual not in plans:
        plans[usual] = usual.plan()
        check(plans[usual])
    plan = plans[usual]
    return replace(plan, config=plan.config.model_copy(update={"seed": job.seed}))


def _entry(job: Job, plan: Plan, run_id: str, folder: Path) -> Entry:
    state: State = "left"
    reason = ""
    if (folder / RECORD_FILE).exists():
        try:
            record = load(folder)
            state, reason = ("done" if record.status == "complete" else "failed"), record.reason
        except RequestError as error:
            state, reason = "failed", str(error)
    return Entry(job, run_id, folder, resolved(plan), state, reason)

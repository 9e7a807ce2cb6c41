"""One run from plan to record: found done, resumed, or carried out; failures are recorded."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from benchmark.data.sources.source import DataPaths, find_source
from benchmark.data.store.files import Store
from benchmark.data.store.held_out import HeldOutStore
from benchmark.engine.callbacks import Callback, Options, Stopped
from benchmark.engine.plan import Plan
from benchmark.engine.protocol import LifelongRun
from benchmark.errors import Busy, LhlbenchError, RequestError, RunError
from benchmark.record import RECORD_FILE, Record, load


@dataclass(frozen=True)
class Outcome:
    """What `execute` did."""

    folder: Path
    record: Record
    already_done: bool = False


def open_store(plan: Plan, places: DataPaths) -> Store:
    """The plan's data set, made first when it is not there."""
    family = DataPaths(places.cache, places.data_root, plan.sequence.file.parent)
    return find_source(plan.source_config.name).open_store(plan.source_config, family)


def data_of(plan: Plan, places: DataPaths) -> Store:
    """What a run of the plan sees of its data set: all of it, or what is not held out."""
    store = open_store(plan, places)
    return HeldOutStore(store, plan.config.held_out) if plan.config.held_out else store


def execute(plan: Plan, options: Options, callback: Callback | None = None) -> Outcome:
    """Carry out a plan, or go on with it where it was left; a finished run is only reported.

    Raises `RequestError` before anything is written, `RunError` when the run fails; a failed run
    leaves a record with status "failed" and the reason.
    """
    store = data_of(plan, options.data_paths)
    folder = options.runs / plan.run_id(store.fingerprint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            return _locked(plan, options, callback or Callback(), store, folder)
    except Timeout:
        raise Busy(f"{folder} is being run by another process") from None
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}; what is already "
                       "there stays valid, and the same command goes on from it") from error


def _locked(plan: Plan, options: Options, callback: Callback, store: Store,
            folder: Path) -> Outcome:
    if options.overwrite:
        for entry in folder.iterdir():
            if entry.name != ".lock":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    elif (folder / RECORD_FILE).exists():
        record = load(folder)
        if record.status == "complete":
            return Outcome(folder, record, already_done=True)
    try:
        run = LifelongRun(plan, options, callback, store, folder)
    except RequestError:
        if all(entry.name == ".lock" for entry in folder.iterdir()):
            shutil.rmtree(folder)  # nothing was run, so nothing is left behind
        raise
    try:
        record = run.all_phases()
    except Stopped:
        raise
    except LhlbenchError as error:
        run.record("failed", str(error)).save(folder)
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        reason = f"out of memory ({str(error).splitlines()[0]}); lower recipe.batch"
        run.record("failed", reason).save(folder)
        raise RunError(reason) from error
    return Outcome(folder, record)

"""One run from plan to record: found finished, resumed, or trained; failures are recorded."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.data.sources.source import DataPaths, find_source
from benchmark.data.store.files import Store
from benchmark.data.store.held_out import HeldOutStore
from benchmark.data.store.intact import require_intact
from benchmark.engine.callbacks import Callback
from benchmark.engine.environment import environment, make_fabric
from benchmark.engine.failure import describe, in_code_of
from benchmark.engine.options import Options, Stopped
from benchmark.engine.plan import Plan
from benchmark.engine.protocol import LifelongRun
from benchmark.engine.results import make_record
from benchmark.errors import Busy, Interrupted, RequestError, RunError, Terminated
from benchmark.files import remove_temporary
from benchmark.record import LOCK_FILE, RECORD_FILE, OtherSchema, Record, load_record

_LOCK_SECONDS = 0.5
"""How long a lock is waited for, which others may hold for the instant in which they look at it."""


@dataclass(frozen=True)
class Outcome:
    """The record of a run, and whether it was finished before."""

    folder: Path
    record: Record
    already_done: bool = False


def open_store(plan: Plan, data_paths: DataPaths) -> Store:
    """The plan's whole data set, made first when it is missing. Raises `DataError`."""
    own = replace(data_paths, family=plan.sequence.file.parent)
    return find_source(plan.source_config.name).open_store(plan.source_config, own)


def open_visible_store(plan: Plan, data_paths: DataPaths) -> Store:
    """The part of the data set that a run trains and evaluates on: all of it, or, for families
    that hold training images out, the training images alone.

    Raises `DataError`, also for a file that is not as it was written.
    """
    store = open_store(plan, data_paths)
    require_intact(store, data_paths.cache)
    return HeldOutStore(store, plan.config.held_out) if plan.config.held_out else store


def execute(plan: Plan, options: Options, callback: Callback | None = None) -> Outcome:
    """Carry out a plan, from the last checkpoint where there is one; a finished run is left as it
    is.

    Raises `RequestError` before anything is written, `Busy` when another process is at the run,
    and `RunError` when the run fails; a failed run leaves a record with status "failed" and the
    reason.
    """
    store = open_visible_store(plan, options.data_paths)
    folder = options.runs / plan.run_id(store.fingerprint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK_FILE, timeout=_LOCK_SECONDS):
            return _locked(plan, options, callback or Callback(), store, folder)
    except Timeout:
        raise Busy(f"{folder} is being run by another process") from None
    except OSError as error:
        raise RunError(_unwritable(folder, error)) from error


def _locked(plan: Plan, options: Options, callback: Callback, store: Store,
            folder: Path) -> Outcome:
    remove_temporary(folder)
    if options.overwrite:
        for entry in folder.iterdir():
            if entry.name != LOCK_FILE:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    elif (folder / RECORD_FILE).exists():
        finished = _finished(folder, callback)
        if finished is not None:
            return Outcome(folder, finished, already_done=True)
    run = None
    try:
        run = LifelongRun(plan, options, callback, store, folder)
        record = run.all_phases()
    except (Stopped, Interrupted, Terminated):
        raise
    except RequestError as error:
        if all(entry.name == LOCK_FILE for entry in folder.iterdir()):
            shutil.rmtree(folder)  # nothing was run, so nothing is left behind
        elif run is not None:
            _failed(plan, options, store, folder, run, str(error))
        raise
    except RunError as error:
        _failed(plan, options, store, folder, run, str(error))
        raise
    except (Exception, SystemExit) as error:
        reason = (_unwritable(folder, error)
                  if isinstance(error, OSError) and not in_code_of(plan.method, error)
                  else describe(error, plan.method, run.phase if run else 1))
        _failed(plan, options, store, folder, run, reason)
        raise RunError(reason) from error
    return Outcome(folder, record)


def _unwritable(folder: Path, error: OSError) -> str:
    return (f"{folder} cannot be written: {error.strerror or error}; what is already there stays "
            "valid, and the same command goes on from it")


def _finished(folder: Path, callback: Callback) -> Record | None:
    """The record of a run that is complete. One that cannot be read is written again: what it is
    made of is in the run's state."""
    try:
        record = load_record(folder)
    except OtherSchema:
        raise
    except RequestError as error:
        callback.warns(f"{error}; the run goes on from its last saved state and writes it again")
        return None
    return record if record.status == "complete" else None


def _failed(plan: Plan, options: Options, store: Store, folder: Path, run: LifelongRun | None,
            reason: str) -> None:
    """Leave the record of a run that failed, with its costs where the method can still tell; none
    where the disk does not take it."""
    record = None
    if run is not None:
        try:
            record = run.make_record("failed", reason)
        except Exception:  # the method is broken in what it counts, too
            record = None
    if record is None:
        precision = plan.config.recipe.precision
        machine = environment(make_fabric(options.device, precision), precision, options.command)
        record = make_record(plan, store, folder, machine, "failed", reason,
                             run.statistics if run else None, run.done if run else ())
    with contextlib.suppress(OSError):
        record.save(folder)

"""The folder of a run: finding it by its name, and what it holds besides the record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from benchmark.config.shipped import shipped
from benchmark.errors import RequestError, unknown
from benchmark.record import RECORD_FILE, Record, load_record

WEIGHTS_FILE = "weights.safetensors"
"""The trained network, see `benchmark.engine.weights`."""
CARD_FILE = "model_card.md"
"""What the trained network is, in words."""


def run_named(name: str, run_ids: Iterable[str]) -> str | None:
    """The run id that is `name`, or the only one that begins with it; None where none does.

    Raises `RequestError` where several begin with it.
    """
    known = list(run_ids)
    if name in known:
        return name
    found = [run_id for run_id in known if name and run_id.startswith(name)]
    if len(found) > 1:
        raise RequestError(f"{len(found)} runs begin with '{name}': {', '.join(found[:5])}"
                           f"{', ...' * (len(found) > 5)}; give more of the one's id")
    return found[0] if found else None


def find_run(name: str | Path, runs: Path) -> Path:
    """The folder of a run: given by its path, that of its record, its run id, or a beginning of the
    id that no other run below `runs` has.

    Raises `RequestError` when there is none, or more than one.
    """
    path = Path(name)
    folder = path.parent if path.name == RECORD_FILE else path
    if (folder / RECORD_FILE).is_file():
        return folder
    known = {file.parent.name: file.parent for file in sorted(runs.rglob(RECORD_FILE))}
    if found := run_named(str(name), known):
        return known[found]
    if any(file.parent.name == path.name
           for file in shipped("results/published").rglob(RECORD_FILE)):
        raise RequestError(f"{name} is a published run: its record was kept, its weights were not; "
                           "lhlbench show gives the command that trains it again")
    if not known:
        raise RequestError(f"there is no run '{name}', and none at all in {runs}; --runs names "
                           "another folder")
    raise unknown("run", str(name), known)


def load_finished(folder: Path) -> Record:
    """The record of a run whose weights can be used.

    Raises `RequestError` for a run that failed or left no weights.
    """
    record = load_record(folder)
    if record.status != "complete":
        raise RequestError(f"{folder}: the run failed ({record.reason}); there are no weights")
    if not (folder / WEIGHTS_FILE).is_file():
        raise RequestError(f"{folder} has no {WEIGHTS_FILE}: the run was finished by an earlier "
                           f"version, or is a copy without it. Where its checkpoint is still "
                           f"there, remove {RECORD_FILE} and give the command of the run again; "
                           "else add --overwrite to it")
    return record


def record_digest(folder: Path) -> str:
    """sha256 of the file `record.json`."""
    return hashlib.sha256((folder / RECORD_FILE).read_bytes()).hexdigest()

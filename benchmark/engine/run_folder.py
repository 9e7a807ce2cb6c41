"""The folder of a run: finding it by its name, and what it holds besides the record."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmark.config.shipped import shipped
from benchmark.errors import RequestError, unknown
from benchmark.record import RECORD_FILE, Record, load_record

WEIGHTS_FILE = "weights.safetensors"
"""The trained network, see `benchmark.engine.weights`."""
CARD_FILE = "model_card.md"
"""What the trained network is, in words."""


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
    if str(name) in known:
        return known[str(name)]
    found = [each for each in known if each.startswith(str(name))] if str(name) else []
    if len(found) > 1:
        raise RequestError(f"{len(found)} runs in {runs} begin with '{name}': "
                           f"{', '.join(found[:5])}{', ...' if len(found) > 5 else ''}")
    if not found and any(file.parent.name == path.name
                         for file in shipped("results/published").rglob(RECORD_FILE)):
        raise RequestError(f"{name} is a published run: its record was kept, its weights were not; "
                           "lhlbench show gives the command that trains it again")
    if not known:
        raise RequestError(f"there is no run '{name}', and none at all in {runs}; --runs names "
                           "another folder")
    if not found:
        raise unknown("run", str(name), known)
    return known[found[0]]


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

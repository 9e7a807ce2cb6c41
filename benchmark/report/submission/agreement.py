"""Leaving out finished runs whose record says other numbers than the statistics beside it.

Each pair of files is compared once: what agreed is noted in the cache, as size, times and inode.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from benchmark.errors import RequestError
from benchmark.files import digest, write_json
from benchmark.record import RECORD_FILE, STATISTICS_FILE
from benchmark.report.runs.collection import RunCollection, StoredRun, require_plain
from benchmark.report.submission.rederived import is_checkable, matrix_problems

FOLDER = "agreeing"
"""Folder of the notes, below the cache."""


def agreeing(collection: RunCollection, runs: Path, cache: Path) -> RunCollection:
    """The collection without finished runs, of those below `runs`, that contradict their
    statistics, and a warning for each.

    Runs without statistics and of task kinds that are not known here are kept, as are published
    runs, which come with the package.
    """
    notes = cache / FOLDER / f"{digest(str(runs.resolve()))[:16]}.json"
    known, agreed = _read(notes), {}
    wrong: dict[Path, str] = {}
    for run in collection.complete:
        if run.published or not (run.folder / STATISTICS_FILE).exists():
            continue
        name, mark = str(run.folder.resolve()), _mark(run.folder)
        problem = "" if known.get(name) == mark else _problem(run)
        if problem:
            wrong[run.folder] = f"left out: {run.folder / RECORD_FILE}: {problem}"
        else:
            agreed[name] = mark
    if agreed != known:
        _write(notes, agreed)
    return replace(collection,
                   complete=tuple(run for run in collection.complete if run.folder not in wrong),
                   warnings=(*collection.warnings, *wrong.values()))


def _problem(run: StoredRun) -> str:
    try:
        require_plain(run.folder)
        return next(matrix_problems(run.record, run.folder), "") if is_checkable(
            run.record) else ""
    except RequestError as error:
        return str(error)


def _mark(folder: Path) -> list[int]:
    found = []
    for name in (RECORD_FILE, STATISTICS_FILE):
        status = (folder / name).stat()
        found += [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    return found


def _read(notes: Path) -> dict[str, list[int]]:
    try:
        content = json.loads(notes.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(notes: Path, agreed: dict[str, list[int]]) -> None:
    try:
        write_json(notes, agreed)
    except OSError:  # without notes, they are compared every time
        return

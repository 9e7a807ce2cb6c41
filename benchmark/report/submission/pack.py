"""Records as others may have them: without what tells of the machine's folders, packed together."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmark.engine.request import RunCommand
from benchmark.errors import RequestError
from benchmark.files import write_atomically, write_text
from benchmark.record import Record, load_statistics, save_statistics
from benchmark.report.runs.collection import StoredRun
from benchmark.report.submission.validation import first_problem

PUBLISHED = Path("results/published")
ENVIRONMENT = ("lhlbench", "python", "versions", "device", "device_name", "threads", "precision",
               "processes", "git", "command")
"""What is handed in of a record's environment."""
_PATH = re.compile(r"(?:^|[\s=:'\"])((?:~|/[\w.@-]+)/[\w.@-]+|[A-Za-z]:\\\S+)")


def pack(found: Sequence[StoredRun], to: Path) -> list[str]:
    """Write the records below `to`, a new folder, or into `to`, a .zip; the same records give the
    same bytes. Returns the paths inside.

    Each run becomes `results/published/<sequence>/<run id>/` with record, statistics and
    configuration. Raises `RequestError`, and leaves nothing behind, when a record tells of a
    folder of this machine or `to` is taken.
    """
    archive = to.suffix == ".zip"
    if to.exists() and (archive or not to.is_dir() or any(to.iterdir())):
        raise RequestError(f"{to} exists; --to another place, or take it away")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as folder:
            whole = Path(folder) / "whole"
            for each in found:
                _write(each, whole)
            files = sorted(file for file in whole.rglob("*") if file.is_file())
            names = [file.relative_to(whole).as_posix() for file in files]
            if archive:
                write_atomically(to, lambda path: _zip(path, whole, names))
            else:
                whole.rename(to)
    except OSError as error:
        raise RequestError(f"{to} cannot be written: {error.strerror or error}") from None
    return names


def portable(record: Record) -> Record:
    """The record without fields of its environment that are nobody's business.

    Raises `RequestError` for a path of this machine in what cannot be left out.
    """
    kept = {key: record.environment[key] for key in ENVIRONMENT if key in record.environment}
    kept["command"] = _portable_command(record)
    portable_record = record.model_copy(update={"environment": kept})
    for place, text in _strings(portable_record.model_dump(mode="json", by_alias=True)):
        if match := _PATH.search(text):
            raise RequestError(f"{record.run_id}: {place} holds the path {match[1]}, which nobody "
                               "else has; name files relative to the sequence's, and run again")
    return portable_record


def _portable_command(record: Record) -> str:
    """The command of the run as it may be typed anywhere; empty where it names no single run."""
    try:
        return str(RunCommand.parse(str(record.environment.get("command", ""))).portable())
    except RequestError:
        return ""


def _write(found: StoredRun, whole: Path) -> None:
    record = portable(found.record)
    folder = whole / PUBLISHED / record.sequence / record.run_id
    statistics = load_statistics(found.folder)
    save_statistics(folder, {key: dict(sorted(statistics[key].items()))
                             for key in sorted(statistics)})
    write_text(folder / "config.yaml", yaml.safe_dump(record.config, sort_keys=False))
    record.save(folder)
    if problem := first_problem(folder):
        raise RequestError(f"{found.folder}: cannot be handed in: {problem}")


def _zip(path: Path, whole: Path, names: Sequence[str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            # Without a time of its own, an entry is of 1980: the same for everybody.
            archive.writestr(zipfile.ZipInfo(name), (whole / name).read_bytes(),
                             zipfile.ZIP_DEFLATED)


def _strings(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    parts = (value.items() if isinstance(value, Mapping)
             else enumerate(value) if isinstance(value, list) else ())
    for key, part in parts:
        yield from _strings(part, f"{place}.{key}" if place else str(key))

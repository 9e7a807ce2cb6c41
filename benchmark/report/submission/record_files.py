"""Finding records a user names, and refusing files that are not plainly theirs."""

from __future__ import annotations

import glob
import zipfile
from collections.abc import Iterable
from pathlib import Path

from benchmark.errors import RequestError
from benchmark.record import RECORD_FILE, STATISTICS_FILE

LARGEST_RECORD = 1 << 24
"""Bytes of a `record.json`; those of ten tasks have some ten thousand."""
LARGEST_STATISTICS = 1 << 32
"""Bytes of all arrays of a `statistics.npz`, uncompressed."""


def record_folders(names: Iterable[Path]) -> list[Path]:
    """The folders of all records at or below the files, folders and globs in `names`, each once.

    Raises `RequestError` for a name at which there is no record.
    """
    found: dict[Path, None] = {}
    for name in names:
        places = [name] if name.exists() else [Path(each) for each in sorted(
            glob.glob(str(name), recursive=True))]
        files = [file for place in places for file in _records_at(place)]
        if not files:
            raise RequestError(f"{name}: there is no {RECORD_FILE} in it" if places
                               else f"{name} does not exist")
        found |= dict.fromkeys(file.parent for file in files)
    return list(found)


def _records_at(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(place.rglob(RECORD_FILE))
    return [place] if place.name == RECORD_FILE else []


def require_plain(folder: Path) -> None:
    """Refuse links out of a run's folder, and files no run would leave. Raises `RequestError`."""
    for name in (RECORD_FILE, STATISTICS_FILE):
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            raise RequestError(f"{file} is a link out of its folder; copy the file")
    record, statistics = folder / RECORD_FILE, folder / STATISTICS_FILE
    if record.is_file() and record.stat().st_size > LARGEST_RECORD:
        raise RequestError(f"{record} is larger than {LARGEST_RECORD} bytes: not a record")
    if statistics.is_file():
        try:
            with zipfile.ZipFile(statistics) as archive:
                members = archive.infolist()
        except (OSError, zipfile.BadZipFile) as error:
            raise RequestError(f"{statistics}: not readable statistics: {error}") from None
        if sum(member.file_size for member in members) > LARGEST_STATISTICS:
            raise RequestError(f"{statistics} unpacks to more than {LARGEST_STATISTICS} bytes")
        names = [member.filename for member in members]
        if len(set(names)) != len(names):
            raise RequestError(f"{statistics}: {max(names, key=names.count)} is in it twice")

"""The records that runs left: finding them, refusing files no run leaves, choosing among them."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from benchmark.errors import RequestError, unknown
from benchmark.record import RECORD_FILE, STATISTICS_FILE, Record, load_record
from benchmark.report.runs.settings import conditions, flatten


@dataclass(frozen=True)
class StoredRun:
    """A record and the folder it lies in, beside its statistics."""

    record: Record
    folder: Path
    published: bool = False


@dataclass(frozen=True)
class RunCollection:
    """The records below one or two folders, one per run id, sorted by run id."""

    complete: tuple[StoredRun, ...]
    failed: tuple[StoredRun, ...] = ()
    warnings: tuple[str, ...] = ()
    """One line per record that could not be used, naming its file."""

    @property
    def runs(self) -> tuple[StoredRun, ...]:
        """All of them, the complete ones first."""
        return self.complete + self.failed

    @property
    def methods(self) -> set[str]:
        """The names of all methods that were run."""
        return {run.record.method.name for run in self.runs}

    def filtered(self, keep: Callable[[StoredRun], bool]) -> RunCollection:
        """The runs that `keep` accepts."""
        return replace(self, complete=tuple(filter(keep, self.complete)),
                       failed=tuple(filter(keep, self.failed)))

    def with_settings(self, where: Sequence[str]) -> RunCollection:
        """The runs that have every setting of `where`, `KEY=VALUE` such as `recipe.lr=0.02`.

        Keys are those of `config.yaml`. Raises `RequestError` for a key that no run has, and when
        no finished run has all the settings.
        """
        flat = {run.record.run_id: flatten(run.record.config) for run in self.runs}
        wanted = conditions(where, flat.values())
        found = self.filtered(lambda run: all(flat[run.record.run_id].get(name) == value
                                              for name, value in wanted.items()))
        if not found.complete:
            raise RequestError(f"--where {' --where '.join(where)}: no finished run has this")
        return found

    def of_sequences(self, patterns: Sequence[str] | None) -> RunCollection:
        """The runs of sequences that match one of `patterns`, names or globs; all when None.

        Raises `RequestError` for a pattern that no run matches.
        """
        names = sorted({run.record.sequence for run in self.runs})
        for pattern in patterns or ():
            if not any(fnmatchcase(name, pattern) for name in names):
                raise unknown("sequence with runs", pattern, names)
        return self.filtered(lambda run: not patterns or any(
            fnmatchcase(run.record.sequence, pattern) for pattern in patterns))


def collect(runs: Path, published: Path | None = None) -> RunCollection:
    """Every record below `runs` and `published`; of one run id, the one below `runs`, and among
    those the one in the folder of that name.

    Folders that do not exist hold no records. A damaged record is a warning, not an error: one
    bad file must not hide every other result.
    """
    by_id: dict[str, StoredRun] = {}
    warnings: list[str] = []
    for root in (runs, published):
        if root is None:
            continue
        for file in sorted(root.rglob(RECORD_FILE)):
            try:
                found = StoredRun(load_record(file), file.parent, published=root is published)
            except RequestError as error:
                warnings.append(f"left out: {error}")
                continue
            run_id = found.record.run_id
            other = by_id.setdefault(run_id, found)
            if other is found or other.published != found.published:
                continue
            if found.folder.name == run_id:  # the run itself, and the other is a copy
                by_id[run_id], other, found = found, found, other
            warnings.append(f"left out: {found.folder / RECORD_FILE}: {other.folder} holds run "
                            f"{run_id}")
    ordered = [by_id[run_id] for run_id in sorted(by_id)]
    return RunCollection(tuple(run for run in ordered if run.record.status == "complete"),
                         tuple(run for run in ordered if run.record.status == "failed"),
                         tuple(warnings))


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
    """Raise `RequestError` for a record or statistics that are a link out of the run's folder."""
    for name in (RECORD_FILE, STATISTICS_FILE):
        file = folder / name
        if not leads_inside(file, folder):
            raise RequestError(f"{file} is a link out of its folder; copy the file")


def leads_inside(file: Path, folder: Path) -> bool:
    """Whether a file, links followed, lies in `folder`."""
    try:
        return file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False

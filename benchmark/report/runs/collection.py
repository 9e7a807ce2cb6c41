"""Finding the records that runs left, here and published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import RequestError
from benchmark.record import RECORD_FILE, Record, load
from benchmark.report.runs.settings import conditions, flatten


@dataclass(frozen=True)
class StoredRun:
    """A record and the folder it lies in, beside its statistics."""

    record: Record
    folder: Path
    published: bool = False


@dataclass(frozen=True)
class Collection:
    """The records below one or two folders, one per run id, sorted by run id."""

    complete: tuple[StoredRun, ...]
    failed: tuple[StoredRun, ...] = ()
    warnings: tuple[str, ...] = ()
    """One line per record that could not be used, naming its file."""


def collect(runs: Path, published: Path | None = None) -> Collection:
    """Every record below `runs` and `published`; of one run id, the one below `runs`.

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
                found = StoredRun(load(file), file.parent, published=root is published)
            except RequestError as error:
                warnings.append(f"left out: {error}")
                continue
            kept = by_id.setdefault(found.record.run_id, found)
            if kept is not found and kept.published == found.published:
                warnings.append(f"left out: {file}: {kept.folder} already holds run "
                                f"{found.record.run_id}")
    ordered = [by_id[run_id] for run_id in sorted(by_id)]
    return Collection(tuple(each for each in ordered if each.record.status == "complete"),
                      tuple(each for each in ordered if each.record.status == "failed"),
                      tuple(warnings))


def only(collection: Collection, where: Sequence[str]) -> Collection:
    """The runs that have every setting of `where`, `KEY=VALUE` such as `recipe.lr=0.02`.

    Keys are those of `config.yaml`. Raises `RequestError` for a key that no run has, and when no
    finished run has all the settings.
    """
    everything = [*collection.complete, *collection.failed]
    flat = {found.record.run_id: flatten(found.record.config) for found in everything}
    wanted = conditions(where, flat.values())
    complete, failed = (
        tuple(found for found in part
              if all(flat[found.record.run_id].get(name) == value
                     for name, value in wanted.items()))
        for part in (collection.complete, collection.failed))
    if not complete:
        raise RequestError(f"--where {' --where '.join(where)}: no finished run has this")
    return Collection(complete, failed, collection.warnings)

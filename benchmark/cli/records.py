"""The records a command works on: collected below folders, or checked one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.progress import track

from benchmark.cli.output import PlainConsole, print_notes
from benchmark.errors import RequestError
from benchmark.interface import load_runs
from benchmark.report.runs.collection import RunCollection, StoredRun, record_folders
from benchmark.report.submission.validation import check_record


def all_records(runs: Path, no_published: bool) -> RunCollection:
    """Every record below `runs` that agrees with its statistics, and the published ones."""
    return load_runs(runs, published=not no_published).collection


def finished_records(runs: Path, no_published: bool, where: Sequence[str] | None) -> RunCollection:
    """Every record below `runs`, and the published ones, that has the settings of `where`; what is
    left out is named on standard error.

    Raises `RequestError` when none is complete.
    """
    collection = all_records(runs, no_published)
    if where and collection.complete:
        collection = collection.with_settings(where)
    print_notes([*collection.warnings, *(
        f"left out: {found.record.run_id} failed: {found.record.reason}"
        for found in collection.failed)])
    if not collection.complete:
        raise RequestError(f"no finished run in {runs}; make one with lhlbench run --method had "
                           "--sequence rooms_s1")
    return collection


def checked_records(paths: Sequence[Path]) -> Iterator[tuple[Path, StoredRun | None, str | None]]:
    """Each record named by `paths`: its folder, the record where it can be read, and what is wrong
    with it (None: nothing). A bar shows how far it is on a terminal."""
    console = PlainConsole(stderr=True)
    for folder in track(record_folders(paths), "checking records", console=console,
                        transient=True, disable=not console.is_terminal):
        yield folder, *check_record(folder)

"""`lhlbench validate` and `submit`: whether records are true, and handing them in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmark.cli.output import print_json
from benchmark.config.shipped import shipped
from benchmark.errors import RequestError
from benchmark.report.runs.collection import StoredRun, collect, record_folders
from benchmark.report.runs.grid import RunKey
from benchmark.report.submission.pack import pack
from benchmark.report.submission.readiness import BASELINE, Readiness, readiness, remarks
from benchmark.report.submission.validation import check_record, disagreements

_SHOWN = 4
"""Commands printed of a longer list."""


def validate_command(records: list[Path], with_data: bool, data_root: Path | None,
                     as_json: bool) -> None:
    """Check each record; exit code 2 when one is not what a run would have left."""
    found: list[StoredRun] = []
    wrong: dict[Path, str | None] = {}
    for folder, each, wrong[folder] in _checked(records):
        if each and not wrong[folder]:
            found.append(each)
    wrong |= disagreements(found)
    if with_data:
        from benchmark.data.sources.source import DataPaths, default_cache
        from benchmark.report.submission.validation import LocalData

        data = LocalData(DataPaths(default_cache(), data_root))
        wrong |= {each.folder: data.problem(each.record) for each in found
                  if not wrong[each.folder]}
    if as_json:
        print_json({str(folder): problem for folder, problem in wrong.items()})
    else:
        for folder, problem in wrong.items():
            print(f"{folder}: {problem or 'valid'}")
    if bad := sum(problem is not None for problem in wrong.values()):
        raise RequestError(f"{bad} of {len(wrong)} records are not valid")


def _checked(records: list[Path]) -> Iterator[tuple[Path, StoredRun | None, str | None]]:
    console = Console(stderr=True)
    for folder in track(record_folders(records), "checking records", console=console,
                        transient=True, disable=not console.is_terminal):
        yield folder, *check_record(folder)


def submit_command(records: list[Path], to: Path, as_json: bool) -> None:
    """Pack finished records that are not published yet, and tell what a ranked row lacks."""
    published = collect(shipped("results/published"))
    names = {each.record.run_id for each in published.complete}
    handed: list[StoredRun] = []
    left_out: dict[str, str] = {}
    for folder, each, problem in _checked(records):
        if each and each.record.status == "failed":
            left_out[each.record.run_id] = f"failed: {each.record.reason}"
        elif each is None or problem:
            raise RequestError(f"{folder}: {problem}; nothing was packed")
        elif each.record.run_id in names:
            left_out[each.record.run_id] = "is published already, or stands twice in what was named"
        else:
            handed.append(each)
            names.add(each.record.run_id)
    if not handed:
        raise RequestError("no finished run that is not published yet; nothing was packed")
    handed.sort(key=lambda each: each.record.run_id)
    rows, notes = readiness(handed, published), remarks(handed, published)
    files = pack(handed, to)
    if as_json:
        print_json({"to": str(to), "files": files, "left_out": left_out, "remarks": notes,
                    "rows": [_told(row) for row in rows]})
        return
    print(f"{len(handed)} runs packed in {to}")
    for run_id, reason in left_out.items():
        print(f"left out: {run_id} {reason}")
    for row in rows:
        print(f"{row.label} on {row.family}: {row.wanted - len(row.missing)} of {row.wanted} runs"
              + (", and all of their baseline: ready to be ranked" if row.complete else ""))
        _print_missing("missing", row.missing)
        _print_missing(f"missing of the baseline {BASELINE}", row.baseline)
    for note in notes:
        print(note)


def _print_missing(what: str, commands: dict[RunKey, str]) -> None:
    if commands:
        print(f"  {what}: {len(commands)} runs")
    for command in list(commands.values())[:_SHOWN]:
        print(f"    {command}")
    if len(commands) > _SHOWN:
        print(f"    and {len(commands) - _SHOWN} more; --json lists them")


def _told(row: Readiness) -> dict[str, Any]:
    def listed(commands: dict[RunKey, str]) -> list[dict[str, Any]]:
        return [{"sequence": sequence, "seed": seed, "command": command}
                for (sequence, seed), command in commands.items()]

    return {"family": row.family, "method": row.label, "wanted": row.wanted,
            "complete": row.complete, "missing": listed(row.missing),
            "missing_baseline": listed(row.baseline)}

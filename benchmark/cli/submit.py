"""`lhlbench submit`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.options import AsJson, Records
from benchmark.cli.output import print_json, print_line
from benchmark.config.shipped import shipped
from benchmark.errors import RequestError

if TYPE_CHECKING:
    from benchmark.report.runs.collection import StoredRun
    from benchmark.report.submission.readiness import Readiness

_SHOWN = 4
"""Commands printed of a longer list."""


def submit(records: Records,
           to: Annotated[Path, typer.Option("--to", help="A new folder, or a .zip.")] = Path(
               "submission"),
           as_json: AsJson = False) -> None:
    """Pack finished records for submission, and say what a ranked row still lacks."""
    from benchmark.report.runs.collection import collect
    from benchmark.report.submission.pack import pack
    from benchmark.report.submission.readiness import BASELINE, readiness, remarks

    published = collect(shipped("results/published"))
    submitted, left_out = _unpublished(records, {run.record.run_id for run in published.complete})
    rows, notes = readiness(submitted, published), remarks(submitted, published)
    files = pack(submitted, to)
    if as_json:
        print_json({"to": str(to), "files": files, "left_out": left_out, "remarks": notes,
                    "rows": [_content(row) for row in rows]})
        return
    print_line(f"{len(submitted)} runs packed in {to}")
    for run_id, reason in left_out.items():
        print_line(f"left out: {run_id} {reason}")
    for row in rows:
        print_line(f"{row.label} on {row.family}: {row.wanted - len(row.missing)} of {row.wanted} "
                   "runs" + (", and all of their baseline: ready to be ranked" if row.complete
                             else ""))
        _print_missing("missing", row.missing)
        _print_missing(f"missing of the baseline {BASELINE}", row.baseline)
    for note in notes:
        print_line(note)


def _unpublished(records: list[Path], names: set[str]) -> tuple[list[StoredRun], dict[str, str]]:
    """The runs to pack, by run id, and why others are left out; `names` are published already.

    Raises `RequestError` for a record that is not valid, and when no run is left to pack.
    """
    from benchmark.cli.records import checked_records

    submitted: dict[str, StoredRun] = {}
    left_out: dict[str, str] = {}
    for folder, found, problem in checked_records(records):
        if found and found.record.status == "failed":
            left_out[found.record.run_id] = f"failed: {found.record.reason}"
        elif found is None or problem:
            raise RequestError(f"{folder}: {problem}; nothing was packed")
        elif found.record.run_id in names or found.record.run_id in submitted:
            left_out[found.record.run_id] = (
                "is published already, or stands twice in what was named")
        else:
            submitted[found.record.run_id] = found
    if not submitted:
        raise RequestError("no finished run that is not published yet; nothing was packed")
    return [submitted[run_id] for run_id in sorted(submitted)], left_out


def _print_missing(what: str, commands: Mapping[tuple[str, int], str]) -> None:
    if commands:
        print_line(f"  {what}: {len(commands)} runs")
    for command in list(commands.values())[:_SHOWN]:
        print_line(f"    {command}")
    if len(commands) > _SHOWN:
        print_line(f"    and {len(commands) - _SHOWN} more; --json lists them")


def _content(row: Readiness) -> dict[str, Any]:
    def listed(commands: Mapping[tuple[str, int], str]) -> list[dict[str, Any]]:
        return [{"sequence": sequence, "seed": seed, "command": command}
                for (sequence, seed), command in commands.items()]

    return {"family": row.family, "method": row.label, "wanted": row.wanted,
            "complete": row.complete, "missing": listed(row.missing),
            "missing_baseline": listed(row.baseline)}

"""`lhlbench table` and `validate`: from records to what people read."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmark.cli.collecting import collected
from benchmark.cli.output import print_json
from benchmark.errors import RequestError


def table_command(sequences: str, baseline: str, convention: str, format: str, costs: bool,
                  runs: Path, no_published: bool) -> None:
    """Print comparison tables."""
    from benchmark.report.render import render
    from benchmark.report.table import build

    tables = build(collected(runs, no_published), sequences.split(","), baseline, convention,
                   costs_only=costs)
    text = render(tables, format, Console())
    if text is not None:
        print(text, end="" if text.endswith("\n") else "\n")


def validate_command(records: list[Path], as_json: bool) -> None:
    """Check each record; exit code 2 when one is not what its statistics say."""
    from benchmark.report.validation import problems

    found = {str(path): problems(path) for path in records}
    if as_json:
        print_json(found)
    else:
        for path, wrong in found.items():
            print(f"{path}: {wrong or 'valid'}")
    if bad := [path for path, wrong in found.items() if wrong]:
        raise RequestError(f"{len(bad)} of {len(found)} records are not valid")

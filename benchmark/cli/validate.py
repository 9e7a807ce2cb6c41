"""`lhlbench validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.options import AsJson, DataRoot, Records
from benchmark.cli.output import print_json, print_line
from benchmark.errors import RequestError

if TYPE_CHECKING:
    from benchmark.report.runs.collection import StoredRun


def validate(records: Records,
             with_data: Annotated[bool, typer.Option("--with-data", help="Also open the data sets "
                                                     "and compare them.")] = False,
             data_root: DataRoot = None, as_json: AsJson = False) -> None:
    """Check that records are what runs left: the first difference of each is printed."""
    from benchmark.cli.records import checked_records
    from benchmark.report.submission.validation import LocalData, disagreements

    valid: list[StoredRun] = []
    wrong: dict[Path, str | None] = {}
    for folder, found, wrong[folder] in checked_records(records):
        if found and not wrong[folder]:
            valid.append(found)
    wrong |= disagreements(valid)
    if with_data:
        from benchmark.data.sources.source import DataPaths, default_cache

        data = LocalData(DataPaths(default_cache(), data_root))
        wrong |= {found.folder: data.problem(found.record) for found in valid
                  if not wrong[found.folder]}
    if as_json:
        print_json({str(folder): problem for folder, problem in wrong.items()})
    else:
        for folder, problem in wrong.items():
            print_line(f"{folder}: {problem or 'valid'}")
    if bad := sum(problem is not None for problem in wrong.values()):
        raise RequestError(f"{bad} of {len(wrong)} records are not valid")

"""`lhlbench validate` and `submit`: whether records are true, and handing them in."""

from __future__ import annotations

from pathlib import Path

from benchmark.cli.output import print_json
from benchmark.errors import RequestError
from benchmark.report.record_files import record_folders
from benchmark.report.validation import checked, disagreements


def validate_command(records: list[Path], with_data: bool, data_root: Path | None,
                     as_json: bool) -> None:
    """Check each record; exit code 2 when one is not what a run would have left."""
    found, wrong = [], {}
    for folder in record_folders(records):
        each, wrong[folder] = checked(folder)
        if each and not wrong[folder]:
            found.append(each)
    wrong |= disagreements(found)
    if with_data:
        from benchmark.data.source import Places, default_cache
        from benchmark.report.record_data import DataAtHand

        data = DataAtHand(Places(default_cache(), data_root))
        wrong |= {each.folder: data.problem(each.record) for each in found
                  if not wrong[each.folder]}
    if as_json:
        print_json({str(folder): problem for folder, problem in wrong.items()})
    else:
        for folder, problem in wrong.items():
            print(f"{folder}: {problem or 'valid'}")
    if bad := sum(problem is not None for problem in wrong.values()):
        raise RequestError(f"{bad} of {len(wrong)} records are not valid")

"""What runs lack before their method can be ranked: orders, seeds, baselines, its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.config.family import shipped_sequences
from benchmark.engine.request import RunCommand, RunRequest
from benchmark.errors import RequestError
from benchmark.report.runs.collection import RunCollection, StoredRun
from benchmark.report.runs.grid import Grid, MethodRuns, RunKey, family_of, grids_of, order_number
from benchmark.report.submission.validation import disagreements

SEEDS = (0, 1, 2)
"""Every order of a family is to be run with these."""
BASELINE = "finetune"
"""Whose runs a Delta needs."""


@dataclass(frozen=True)
class Readiness:
    """How far one configuration of one method is from a ranked row."""

    family: str
    label: str
    wanted: int
    missing: dict[RunKey, str]
    """(sequence, seed) -> the command that makes the run."""
    baseline: dict[RunKey, str]
    """The same for runs of the baseline."""

    @property
    def complete(self) -> bool:
        return not self.missing and not self.baseline


def readiness(handed: Sequence[StoredRun], published: RunCollection) -> list[Readiness]:
    """One for every configuration of a method that has runs in `handed`; runs that are published
    count too."""
    return [_readiness(grid, method) for grid in _grids(handed, published)
            for method in grid.methods if _is_handed_in(method, handed)]


def remarks(handed: Sequence[StoredRun], published: RunCollection) -> list[str]:
    """What somebody who hands these runs in should know: files to add, runs that do not fit
    together, data that are not everybody's."""
    found = [*_files_to_add(handed)]
    grids = [grid for grid in _grids(handed, published)
             if any(_is_handed_in(method, handed) for method in grid.methods)]
    for family in dict.fromkeys(grid.name for grid in grids):
        titles = [grid.title for grid in grids if grid.name == family]
        if len(titles) > 1:
            found.append(f"runs of {family} differ in recipe or data and stand in tables of their "
                         f"own: {'; '.join(titles)}")
    for grid in grids:
        methods = [method for method in grid.methods if _is_handed_in(method, handed)]
        for name in dict.fromkeys(method.name for method in methods):
            labels = [method.label for method in methods if method.name == name]
            if len(labels) > 1:
                found.append(f"{grid.title}: {name} has {len(labels)} configurations, each a row "
                             f"of its own: {'; '.join(labels)}")
    differ = disagreements([*published.complete, *handed])
    return found + [f"{run.record.run_id}: {differ[run.folder]}" for run in handed
                    if run.folder in differ]


def _files_to_add(handed: Sequence[StoredRun]) -> Iterator[str]:
    from benchmark.registry import method_names

    for name in sorted({run.record.method.name for run in handed
                        if run.record.config.get("plug_in")
                        or run.record.method.name not in method_names()}):
        yield f"{name} is not a method of lhlbench: hand its file in as methods/{name}.py"
    known = {sequence.family.family for sequence in shipped_sequences()}
    for family in sorted({family_of(run.record) for run in handed} - known):
        yield f"{family} is not a family of lhlbench: hand its file in as sequences/{family}.yaml"


def _grids(handed: Sequence[StoredRun], published: RunCollection) -> list[Grid]:
    names = {run.record.run_id for run in handed}
    others = [run for run in published.complete if run.record.run_id not in names]
    return grids_of(RunCollection((*handed, *others)))


def _is_handed_in(method: MethodRuns, handed: Sequence[StoredRun]) -> bool:
    names = {run.record.run_id for run in handed}
    return any(run.record.run_id in names for run in method.runs.values())


def _readiness(grid: Grid, method: MethodRuns) -> Readiness:
    orders = [sequence.name for sequence in shipped_sequences()
              if sequence.family.family == grid.name and sequence.listed] or grid.sequences
    wanted = [(sequence, seed) for sequence in sorted(orders, key=order_number) for seed in SEEDS]
    baseline = grid.find_baseline(BASELINE)
    measured = baseline.runs if baseline else {}
    return Readiness(
        grid.title, method.label, len(wanted),
        {key: _command(method, key) for key in wanted if key not in method.runs},
        {key: _command(method, key, BASELINE) for key in wanted
         if key not in measured and method.name != BASELINE})


def _command(method: MethodRuns, key: RunKey, baseline: str | None = None) -> str:
    """The command of a run of `method` with another order and seed; of `baseline` under the same
    recipe and data."""
    record = method.record
    try:
        made = RunCommand.parse(str(record.environment.get("command", ""))).portable()
    except RequestError:
        made = RunCommand(RunRequest(record.method.name, record.sequence))
    request = made.request.in_order(*key)
    request = request.of_method(baseline) if baseline else request
    return request.command(made.options)

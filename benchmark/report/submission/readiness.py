"""What runs lack before their method can be ranked: orders, seeds, baselines, its file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.config.family import shipped_sequences
from benchmark.report.runs.collection import Collection, StoredRun
from benchmark.report.runs.grid import Grid, RunKey, family_of, grids_of, order_number
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.submission.pack import portable_words
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


def readiness(handed: Sequence[StoredRun], published: Collection) -> list[Readiness]:
    """One for every configuration of a method that has runs in `handed`; runs that are published
    count too."""
    return [_of(grid, line) for grid in _grids(handed, published) for line in grid.lines
            if _has(line, handed)]


def remarks(handed: Sequence[StoredRun], published: Collection) -> list[str]:
    """What somebody who hands these runs in should know: files to add, runs that do not fit
    together, data that are not everybody's."""
    from benchmark.registry import method_names

    found = []
    for name in sorted({each.record.method.name for each in handed
                        if each.record.config.get("plug_in")
                        or each.record.method.name not in method_names()}):
        found.append(f"{name} is not a method of lhlbench: hand its file in as methods/{name}.py")
    known = {each.family.family for each in shipped_sequences()}
    for family in sorted({family_of(each.record) for each in handed} - known):
        found.append(f"{family} is not a family of lhlbench: hand its file in as "
                     f"sequences/{family}.yaml")
    grids = [grid for grid in _grids(handed, published)
             if any(_has(line, handed) for line in grid.lines)]
    for family in dict.fromkeys(grid.family for grid in grids):
        titles = [grid.title for grid in grids if grid.family == family]
        if len(titles) > 1:
            found.append(f"runs of {family} differ in recipe or data and stand in tables of their "
                         f"own: {'; '.join(titles)}")
    for grid in grids:
        lines = [line for line in grid.lines if _has(line, handed)]
        for method in dict.fromkeys(line.method for line in lines):
            labels = [line.label for line in lines if line.method == method]
            if len(labels) > 1:
                found.append(f"{grid.title}: {method} has {len(labels)} configurations, each a row "
                             f"of its own: {'; '.join(labels)}")
    differ = disagreements([*published.complete, *handed])
    return found + [f"{each.record.run_id}: {differ[each.folder]}" for each in handed
                    if each.folder in differ]


def _grids(handed: Sequence[StoredRun], published: Collection) -> list[Grid]:
    names = {each.record.run_id for each in handed}
    others = [each for each in published.complete if each.record.run_id not in names]
    return grids_of(Collection((*handed, *others)))


def _has(line: MethodRuns[RunKey], handed: Sequence[StoredRun]) -> bool:
    names = {each.record.run_id for each in handed}
    return any(run.record.run_id in names for run in line.runs.values())


def _of(grid: Grid, line: MethodRuns[RunKey]) -> Readiness:
    orders = [each.name for each in shipped_sequences()
              if each.family.family == grid.family and each.listed] or grid.sequences
    cells = [(sequence, seed) for sequence in sorted(orders, key=order_number) for seed in SEEDS]
    baselines = [each for each in grid.lines if each.method == BASELINE]
    measured = min(baselines, key=lambda each: len(each.settings)).runs if baselines else {}
    return Readiness(
        grid.title, line.label, len(cells),
        {at: _command(line, at) for at in cells if at not in line.runs},
        {at: _command(line, at, BASELINE) for at in cells
         if at not in measured and line.method != BASELINE})


def _command(line: MethodRuns[RunKey], at: RunKey, method: str | None = None) -> str:
    """The command of a run of `line` with another order and seed; of `method`, the baseline, under
    the same recipe and data."""
    record = line.record
    words = portable_words(str(record.environment.get("command", "")))
    rest = words[2:] if words[:2] == ["lhlbench", "run"] else []
    file, yaml, _ = (_value(rest, "--sequence") or "").partition(".yaml")
    sequence = f"{file}.yaml:s{order_number(at[0])}" if yaml else at[0]
    chosen = method or _value(rest, "--method") or record.method.name
    for option in ("--method", "--sequence", "--seed", *(["--method-set"] if method else [])):
        rest = _without(rest, option)
    return shlex.join(["lhlbench", "run", "--method", chosen, "--sequence", sequence,
                       "--seed", str(at[1]), *rest])


def _value(words: Sequence[str], option: str) -> str | None:
    for place, word in enumerate(words):
        if word == option:
            return next(iter(words[place + 1:]), None)
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return None


def _without(words: Sequence[str], option: str) -> list[str]:
    """The words without an option and its value, wherever it stands."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip or word == option:
            skip = not skip
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return kept

"""A paper's tables: what it printed beside what was measured here, and what neither knows."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from benchmark.config.family import find_sequence
from benchmark.errors import RequestError, unknown
from benchmark.report.papers.paper_data import Key, Published
from benchmark.report.papers.paper_places import (
    CITATIONS,
    EMBEDDED,
    METHODS,
    PLACES,
    Place,
    Variant,
)
from benchmark.report.papers.paper_runs import Runs
from benchmark.report.papers.paper_scores import Run, score_of
from benchmark.report.runs.collection import Collection, StoredRun
from benchmark.report.runs.rescore import matrix_of
from benchmark.report.tables.captions import CONVENTIONS
from benchmark.scores import Score
from benchmark.tasks.convention import Convention

DEFINITIONS = {
    "delta": "Δ here: mean gain over the same seed's run of its baseline, over all metrics of a "
             "task, then tasks; the paper's formula is not known to us.",
    "rank": "Mean rank here: among the lifelong methods of the paper that stand in the table, per "
            "metric, then task; which methods the paper ranks is not stated.",
    "parameters_saved": "Extra parameters saved here: (separate - shared) / shared, of all "
                        "parameters after the last phase.",
}


@dataclass(frozen=True)
class Measured:
    """Mean and sample standard deviation over `n` seeds; without a mean, what would give one."""

    mean: float | None = None
    std: float | None = None
    n: int = 0
    commands: tuple[str, ...] = ()
    """Runs that are missing."""
    reason: str = ""
    """Why no run can give a value."""


@dataclass(frozen=True)
class Pair:
    """One cell of a table: `paper` is None in rows that the paper does not have."""

    paper: Published | None
    here: Measured
    difference: float | None
    """Here - published; None unless both are known and nothing known keeps them apart."""


@dataclass(frozen=True)
class PaperTable:
    """One table of a paper; `rows` are its methods, each with a cell per column."""

    title: str
    place: str
    """The sequence and recipe of the runs; empty where nothing is measured."""
    embedded: bool
    columns: tuple[Published, ...]
    """One cell of each column: it tells task, metric, unit, direction and baseline."""
    rows: Mapping[str, tuple[Pair, ...]]
    notes: tuple[str, ...]
    incomplete: tuple[str, ...]
    """Commands that give a measured row the seeds that other rows have."""


def build(cells: Sequence[Published], collection: Collection, embedded: bool = False,
          sequences: Sequence[str] | None = None, convention: str = "pixel",
          tuned: bool = False, extra: Sequence[str] = ()) -> list[PaperTable]:
    """The tables of one paper's `cells`, measured by the runs of `collection`.

    `embedded` takes runs of rendered data instead of the paper's; `sequences` are names or globs
    of the sequences to keep; `tuned` takes methods as they are tuned for a family, where they
    are; `extra` are words put at the end of every command. Raises `RequestError` for a pattern
    that no table matches, and for a convention that is unknown or needs statistics that are
    missing.
    """
    convention = str(Convention.parse(convention))
    places = EMBEDDED if embedded else PLACES
    if tuned:
        places = {key: _tuned(place) for key, place in places.items()}
        if not any(place.tuned for key in {cell.key for cell in cells}
                   if isinstance(place := places[key], Place)):
            raise RequestError("no table is measured on a family with tuned settings; "
                               "leave --tuned out, or take --embedded")
    tables: dict[Key, list[Published]] = {}
    for cell in cells:
        tables.setdefault(cell.key, []).append(cell)
    names = {key: place.sequence for key in tables if isinstance(place := places[key], Place)}
    for pattern in sequences or ():
        if not any(fnmatchcase(name, pattern) for name in names.values()):
            raise unknown("sequence of this paper", pattern, names.values())
    return [_Builder(table, places[key], collection, embedded, convention, extra).table()
            for key, table in tables.items()
            if sequences is None or any(fnmatchcase(names.get(key, ""), each)
                                        for each in sequences)]


class _Builder:
    """One table in the making."""

    def __init__(self, cells: Sequence[Published], place: Place | str, collection: Collection,
                 embedded: bool, convention: str, extra: Sequence[str]) -> None:
        self.cells, self.embedded, self.convention = cells, embedded, convention
        self.nowhere = place if isinstance(place, str) else ""
        self.place = place if isinstance(place, Place) else Place("", "")
        self.columns = tuple({cell.quantity: cell for cell in cells}.values())
        self.methods = list(dict.fromkeys(cell.method for cell in cells))
        needed = [*self.methods, *(column.baseline for column in self.columns if column.baseline)]
        stands = {label: self.place.methods.get(label, METHODS.get(label)) for label in needed}
        self.variants: dict[str, Variant | None] = stands | dict(self.place.beside)
        self.known = [] if self.nowhere else list(filter(None, self.variants.values()))
        self.runs = Runs(self.place, self.known, collection, extra)
        self._scored: dict[str, Run] = {}

    def table(self) -> PaperTable:
        by_place = {(cell.method, cell.quantity): cell for cell in self.cells}
        rows = {label: tuple(self._pair(label, column, by_place.get((label, column.quantity)))
                             for column in self.columns)
                for label in (*self.methods, *self.place.beside)}
        paper, name, *setting = self.cells[0].key
        title = f"{paper}, {name}: {', '.join(filter(None, setting)) or 'setting not stated'}"
        where = "" if self.nowhere else self.place.told
        return PaperTable(title, where, self.embedded, self.columns, rows, tuple(self._notes()),
                          self._incomplete())

    def _pair(self, label: str, column: Published, paper: Published | None) -> Pair:
        here = self._measured(label, column)
        number = paper.number if paper else None
        if here.mean is None or number is None or self.place.differs:
            return Pair(paper, here, None)
        return Pair(paper, here, here.mean - number)

    def _measured(self, label: str, column: Published) -> Measured:
        if self.nowhere:
            return Measured(reason=self.nowhere)
        needed = self._needed(label, column)
        if isinstance(needed, str):
            return Measured(reason=needed)
        runs = {each: self.runs.of(variant) for each, variant in needed.items()}
        seeds = sorted(set.intersection(*map(set, runs.values())))
        if not seeds:
            seed = min(runs[label], default=self.runs.first_seed())
            return Measured(commands=tuple(self.runs.command(variant, seed)
                                           for each, variant in needed.items()
                                           if seed not in runs[each]))
        return _summary([score_of({each: self._run(runs[each][seed]) for each in needed}, label,
                                  self._here(column)) for seed in seeds])

    def _run(self, found: StoredRun) -> Run:
        run_id = found.record.run_id
        if run_id not in self._scored:
            self._scored[run_id] = Run(matrix_of(found, self.convention), found.record.cost)
        return self._scored[run_id]

    def _incomplete(self) -> tuple[str, ...]:
        runs = {variant: self.runs.of(variant) for variant in self.known}
        seeds = sorted({seed for own in runs.values() for seed in own})
        return tuple(self.runs.command(variant, seed) for variant, own in runs.items() if own
                     for seed in seeds if seed not in own)

    def _needed(self, label: str, column: Published) -> dict[str, Variant] | str:
        """The methods whose runs a cell needs, its own first; or why no runs can fill it."""
        labels = [label, *([column.baseline] if column.baseline else [])]
        if column.metric == "rank":
            if label in self.place.beside:
                return "only the paper's methods are ranked"
            ranked = [each for each in self.methods
                      if (variant := self.variants[each]) and not self.runs.is_bound(variant)]
            if label not in ranked:
                return "bounds are not ranked"
            labels = [label, *ranked]
        found = {each: self.variants[each] for each in labels}
        absent = [each for each, variant in found.items() if variant is None]
        if absent:
            return f"no method here is '{absent[0]}'"
        return {each: variant for each, variant in found.items() if variant}

    def _here(self, column: Published) -> Published:
        """The column with the sequence's own name of its task."""
        return column.model_copy(update={"task": self.place.tasks.get(column.task, column.task)})

    def _notes(self) -> Iterable[str]:
        yield f"Published: {CITATIONS[self.cells[0].paper]}. 'unknown': the number is not known " \
              "to us."
        sources = dict.fromkeys(cell.source for cell in self.cells
                                if cell.value and cell.method != cell.baseline)
        if sources:
            yield f"Published values are of: {'; '.join(sources)}."
        if self.nowhere:
            return
        how = "as tuned for the family" if self.place.tuned else "at their defaults"
        yield (f"Here: {self.place.sequence} by the recipe {self.place.recipe}, methods {how}, "
               f"but for settings the commands name, {self._data()}after the last epoch of the "
               f"last phase, {CONVENTIONS.get(self.convention, self.convention)}; "
               "mean ± sample standard deviation over seeds.")
        yield (f"No differences are computed: {self.place.differs}." if self.place.differs else
               f"Difference: here - published; it assumes {self.place.assumed}.")
        yield from (text for metric, text in DEFINITIONS.items()
                    if any(column.metric == metric for column in self.columns))
        if self.runs.left_out:
            yield (f"{self.runs.left_out} runs of other data or another protocol than most are "
                   "left out.")

    def _data(self) -> str:
        record = self.runs.record
        return (f"all {record.dataset.eval_images} evaluation images of {record.dataset.name} "
                f"({record.dataset.fingerprint[:12]}), ") if record else ""


def _tuned(place: Place | str) -> Place | str:
    """`place` with tuned methods, where its family has tuned settings."""
    if isinstance(place, str) or find_sequence(place.sequence).family.tuned is None:
        return place
    return replace(place, tuned=True)


def _summary(scores: Sequence[Score]) -> Measured:
    values = []
    for score in scores:
        if score.value is None:
            return Measured(reason=score.reason)
        values.append(score.value)
    std = statistics.stdev(values) if len(values) > 1 else None
    return Measured(statistics.fmean(values), std, len(values))

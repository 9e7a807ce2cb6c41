"""A paper's tables: what it printed beside what was measured here, and what neither knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from benchmark.errors import unknown
from benchmark.report.papers.mapping import MethodVariant, PaperMapping, TableMapping, load_mapping
from benchmark.report.papers.published import Key, Published
from benchmark.report.papers.runs import TableRuns
from benchmark.report.papers.scores import score_of
from benchmark.report.runs.collection import RunCollection
from benchmark.report.runs.summary import Estimate, over_seeds
from benchmark.report.tables.columns import convention_text
from benchmark.tasks.convention import Convention

if TYPE_CHECKING:
    import pandas as pd

DEFINITIONS = {
    "delta": "Δ here: mean gain over the same seed's run of its baseline, over all metrics of a "
             "task, then tasks; the paper's formula is not known to us.",
    "rank": "Mean rank here: among the lifelong methods of the paper that stand in the table, per "
            "metric, then task; which methods the paper ranks is not stated.",
    "parameters_saved": "Extra parameters saved here: (separate - shared) / shared, of all "
                        "parameters after the last phase.",
}


@dataclass(frozen=True)
class Pair:
    """One cell of a table: the paper's number beside ours."""

    paper: Published | None
    """None in rows that the paper does not have."""
    here: Estimate
    """Over seeds; a `reason` without a mean says why no run can give one."""
    commands: tuple[str, ...] = ()
    """Runs that are missing."""
    difference: float | None = None
    """Here - published; None unless both are known and nothing known keeps them apart."""


@dataclass(frozen=True)
class PaperTable:
    """One table of a paper; `rows` are its methods, each with a cell per column."""

    title: str
    place: str
    """The sequence and recipe of the runs; empty where nothing is measured."""
    embedded: bool
    columns: tuple[Published, ...]
    """One cell of each column: it has task, metric, unit, direction and baseline."""
    rows: Mapping[str, tuple[Pair, ...]]
    notes: tuple[str, ...]
    incomplete: tuple[str, ...]
    """Commands that give a measured row the seeds that other rows have."""


def paper_tables(cells: Sequence[Published], collection: RunCollection, embedded: bool = False,
                 sequences: Sequence[str] | None = None, convention: str = "pixel",
                 tuned: bool = False, extra: Sequence[str] = ()) -> list[PaperTable]:
    """The tables of one paper's `cells`, measured by the runs of `collection`.

    `embedded` takes runs of rendered data instead of the paper's; `sequences` are names or globs
    of the sequences to keep; `tuned` takes methods as they are tuned for a family, where they
    are; `extra` are words put at the end of every command. Raises `RequestError` for a pattern
    that no table matches, for a table that the paper's mapping lacks, and for a convention that is
    unknown or needs statistics that are missing.
    """
    convention = str(Convention.parse(convention))
    mapping = load_mapping(cells[0].paper, embedded, tuned)
    by_key: dict[Key, list[Published]] = {}
    for cell in cells:
        by_key.setdefault(cell.key, []).append(cell)
    names = {key: table.sequence for key in by_key
             if isinstance(table := mapping.of(key), TableMapping)}
    for pattern in sequences or ():
        if not any(fnmatchcase(name, pattern) for name in names.values()):
            raise unknown("sequence of this paper", pattern, names.values())
    return [_TableBuilder(table, mapping, collection, embedded, convention, extra).table()
            for key, table in by_key.items()
            if sequences is None or any(fnmatchcase(names.get(key, ""), each)
                                        for each in sequences)]


class _TableBuilder:
    """One table in the making."""

    def __init__(self, cells: Sequence[Published], mapping: PaperMapping,
                 collection: RunCollection, embedded: bool, convention: str,
                 extra: Sequence[str]) -> None:
        self.cells, self.mapping = cells, mapping
        self.embedded, self.convention = embedded, convention
        chosen = mapping.of(cells[0].key)
        self.unmeasured = chosen if isinstance(chosen, str) else ""
        """Why nothing is measured; empty where something is."""
        self.place = chosen if isinstance(chosen, TableMapping) else None
        rows = self.place.additional_rows if self.place else {}
        self.columns = tuple({cell.quantity: cell for cell in cells}.values())
        self.methods = list(dict.fromkeys(cell.method for cell in cells))
        self.labels = [*self.methods, *rows]
        self.variants = self._variants() | dict(rows)
        self.runs = TableRuns(self.place, mapping, filter(None, self.variants.values()),
                              collection, convention, extra) if self.place else None

    def table(self) -> PaperTable:
        printed = {(cell.method, cell.quantity): cell for cell in self.cells}
        rows = {label: tuple(self._pair(label, column, printed.get((label, column.quantity)))
                             for column in self.columns) for label in self.labels}
        paper, name, *setting = self.cells[0].key
        title = f"{paper}, {name}: {', '.join(filter(None, setting)) or 'setting not stated'}"
        place = ""
        if self.place:
            tuned = ", tuned" if self.mapping.is_tuned(self.place) else ""
            place = self.place.name + tuned
        return PaperTable(title, place, self.embedded, self.columns, rows, tuple(self._notes()),
                          self.runs.incomplete() if self.runs else ())

    def _variants(self) -> dict[str, MethodVariant | None]:
        """What stands for each method of the table and for the baselines of its columns."""
        own = self.place.methods if self.place else {}
        names = [*self.methods, *(column.baseline for column in self.columns if column.baseline)]
        return {name: own.get(name, self.mapping.methods.get(name)) for name in names}

    def _pair(self, label: str, column: Published, paper: Published | None) -> Pair:
        if self.place is None or self.runs is None:
            return Pair(paper, Estimate(None, reason=self.unmeasured))
        needed = self._needed(label, column, self.place, self.runs)
        if isinstance(needed, str):
            return Pair(paper, Estimate(None, reason=needed))
        seeds = self.runs.shared_seeds(needed.values())
        if not seeds:
            return Pair(paper, Estimate(None), self.runs.missing(needed[label], needed.values()))
        here = over_seeds(self._scores(label, column, needed, seeds, self.place, self.runs))
        number = paper.number if paper else None
        if here.mean is None or number is None or self.place.differs:
            return Pair(paper, here)
        return Pair(paper, here, difference=here.mean - number)

    def _needed(self, label: str, column: Published, place: TableMapping,
                runs: TableRuns) -> dict[str, MethodVariant] | str:
        """The methods whose runs a cell needs, its own first; or why no runs can fill it."""
        labels = [label, *([column.baseline] if column.baseline else [])]
        if column.metric == "rank":
            if label in place.additional_rows:
                return "only the paper's methods are ranked"
            ranked = [each for each in self.methods
                      if (variant := self.variants[each]) and not runs.is_bound(variant)]
            if label not in ranked:
                return "bounds are not ranked"
            labels = [label, *ranked]
        found = {each: variant for each in labels if (variant := self.variants[each])}
        absent = [each for each in labels if each not in found]
        return f"no method here is '{absent[0]}'" if absent else found

    def _scores(self, label: str, column: Published, needed: Mapping[str, MethodVariant],
                seeds: Sequence[int], place: TableMapping, runs: TableRuns) -> pd.DataFrame:
        """The value of a cell for each seed."""
        import pandas as pd

        here = column.model_copy(update={"task": place.tasks.get(column.task, column.task)})
        scores = [score_of({each: runs.measured(variant, seed)
                            for each, variant in needed.items()}, label, here) for seed in seeds]
        return pd.DataFrame({"seed": seeds, "value": [score.value for score in scores],
                             "reason": [score.reason for score in scores]}
                            ).astype({"value": "float64"})

    def _notes(self) -> Iterable[str]:
        yield (f"Published: {self.mapping.citation}. 'unknown': the number is not known to us.")
        sources = dict.fromkeys(cell.source for cell in self.cells
                                if cell.value and cell.method != cell.baseline)
        if sources:
            yield f"Published values are of: {'; '.join(sources)}."
        if self.place is None or self.runs is None:
            return
        tuned = self.mapping.is_tuned(self.place)
        how = "as tuned for the family" if tuned else "at their defaults"
        yield (f"Here: {self.place.sequence} by the recipe {self.place.recipe}, methods {how}, "
               f"but for settings the commands name, {self._data(self.runs)}after the last epoch "
               f"of the last phase, {convention_text(self.convention)}; "
               "mean ± sample standard deviation over seeds.")
        yield (f"No differences are computed: {self.place.differs}." if self.place.differs else
               f"Difference: here - published; it assumes {self.place.assumed}.")
        yield from (text for metric, text in DEFINITIONS.items()
                    if any(column.metric == metric for column in self.columns))
        if self.runs.left_out:
            yield (f"{self.runs.left_out} runs of other data or another protocol than most are "
                   "left out.")

    def _data(self, runs: TableRuns) -> str:
        record = runs.record
        return (f"all {record.dataset.eval_images} evaluation images of {record.dataset.name} "
                f"({record.dataset.fingerprint[:12]}), ") if record else ""

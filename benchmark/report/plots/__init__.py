"""Plots of records: figures of a grid's runs, each kind a function that the word a user types
names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import RequestError, unknown
from benchmark.report.runs.collection import RunCollection, StoredRun
from benchmark.report.runs.grid import BASELINES, grids_of, sequence_grids

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.report.plots.data import FigureData


@dataclass(frozen=True)
class Plot:
    """A kind of plot: the module beside this one whose function of the kind's name draws it.

    That function returns one figure, or several by what their files' names begin with, and
    refuses with a `RequestError` what cannot be drawn.
    """

    module: str
    per_sequence: bool = False
    """Whether each sequence has a figure of its own; else each family has."""
    takes_baseline: bool = False
    usual_methods: tuple[str, ...] = ()
    """Methods shown unless others are asked for, where there are runs of them."""

    def function(self, name: str) -> Callable[[FigureData], Figure | Mapping[str, Figure]]:
        """What draws the kind called `name`."""
        found: Callable[[FigureData], Figure | Mapping[str, Figure]]
        found = getattr(import_module(f"{__name__}.{self.module}"), name)
        return found


PLOTS = {
    "forgetting": Plot("curves", per_sequence=True),
    "matrix": Plot("matrix", per_sequence=True),
    "delta": Plot("curves", takes_baseline=True),
    "stability": Plot("scatter", takes_baseline=True),
    "tradeoff": Plot("scatter", takes_baseline=True),
    "ranks": Plot("ranks", takes_baseline=True),
    "orders": Plot("rows", takes_baseline=True),
    "separate": Plot("rows", usual_methods=("had",)),
    "predictions": Plot("predictions", per_sequence=True),
    "imbalance": Plot("imbalance", per_sequence=True),
    "gradients": Plot("gradients", per_sequence=True),
}
"""The kinds by the name that a user types."""

WITH_BASELINE = frozenset(name for name, kind in PLOTS.items() if kind.takes_baseline)
"""Kinds that take the baseline gains are measured against."""


def draw(kind: str, collection: RunCollection, sequences: Sequence[str] | None, to: Path,
         methods: Sequence[str] = (), baseline: str | None = None) -> list[Path]:
    """Write the `figures` of one kind as PNG and PDF files below `to`; the files."""
    from benchmark.report.plots.figure import save_figure

    return [file for name, figure in figures(kind, collection, sequences, methods, baseline)
            for file in save_figure(figure, to, name)]


def figures(kind: str, collection: RunCollection, sequences: Sequence[str] | None = None,
            methods: Sequence[str] = (), baseline: str | None = None,
            ) -> Iterator[tuple[str, Figure]]:
    """The figures of one kind of plot, each with a name for its file: one or more per family, or
    per sequence, and recipe.

    `sequences` and `methods` are names or globs; bounds and baselines are kept beside the
    methods. Without a `baseline` each kind takes its own. Runs that a figure cannot be drawn of
    are left out with a `NotDrawn` warning. Raises `RequestError` for a kind that does not exist,
    for a baseline where a kind takes none, for patterns that no run matches, and when nothing can
    be drawn.
    """
    from matplotlib import rc_context

    from benchmark.report.plots.data import FigureData
    from benchmark.report.plots.figure import NotDrawn, file_name
    from benchmark.report.plots.style import SETTINGS, looks_of

    if kind not in PLOTS:
        raise unknown("plot", kind, PLOTS)
    if baseline is not None and kind not in WITH_BASELINE:
        raise RequestError(f"plot {kind} takes no baseline; {', '.join(sorted(WITH_BASELINE))} do")
    shown, function = PLOTS[kind], PLOTS[kind].function(kind)
    collection = _of_methods(collection, methods)
    looks = looks_of([*grids_of(collection, sequences), *sequence_grids(collection, sequences)])
    if not methods:
        collection = _of_methods(collection, [name for name in shown.usual_methods
                                              if name in collection.methods])
    used: set[str] = set()
    refusals: list[RequestError] = []
    for grid in (sequence_grids if shown.per_sequence else grids_of)(collection, sequences):
        data = FigureData(grid, looks, baseline)
        try:
            if not any(method.runs for method in grid.methods):
                raise RequestError(f"{data.title}: no finished run")
            with rc_context(SETTINGS):
                made = function(data)
        except RequestError as error:
            refusals.append(error)
            continue
        for start, figure in (made if isinstance(made, Mapping) else {kind: made}).items():
            name = file_name(f"{start}_{data.title}", used)
            used.add(name)
            yield name, figure
    if refusals and not used:
        raise refusals[0]
    for refusal in refusals:
        warnings.warn(str(refusal), NotDrawn, stacklevel=2)


def _of_methods(collection: RunCollection, patterns: Sequence[str]) -> RunCollection:
    """The runs of methods that match one of `patterns`, of bounds and of baselines; all without
    patterns."""
    if not patterns:
        return collection
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in collection.methods):
            raise unknown("method with runs", pattern, collection.methods)

    def kept(run: StoredRun) -> bool:
        method = run.record.method
        return (method.kind == "bound" or method.name in BASELINES
                or any(fnmatchcase(method.name, pattern) for pattern in patterns))

    return collection.filtered(kept)

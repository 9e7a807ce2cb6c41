"""What figures are drawn from: the scores of a grid's runs, and what a reader is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

from benchmark.errors import RequestError
from benchmark.report.plots.style import REFERENCE, Looks
from benchmark.report.runs.grid import Grid, MethodRuns
from benchmark.report.runs.scoring import GridScores, ScoreColumn
from benchmark.report.runs.settings import settings_text
from benchmark.report.runs.summary import count_text, means_by

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FigureData:
    """The grid that a figure shows, the looks of its methods and the baseline asked for."""

    grid: Grid
    looks: Looks
    chosen_baseline: str | None = None
    """None leaves the choice to the kind of figure."""

    @property
    def baseline(self) -> str:
        """What gains are measured against."""
        return self.chosen_baseline or REFERENCE

    @property
    def title(self) -> str:
        """The sequence of a grid that has one only, else its family; and what sets it apart."""
        sequences, variant = self.grid.sequences, self.grid.variant
        if len(sequences) > 1:
            return self.grid.title
        return f"{sequences[0]} ({settings_text(variant)})" if variant else sequences[0]

    def scores(self, keys: Sequence[str], extra: Mapping[str, ScoreColumn] | None = None,
               baseline: str | None = None) -> pd.DataFrame:
        """`GridScores.frame` of the scores `keys`; gains are over `baseline`.

        Raises `RequestError` when there is no run of the baseline.
        """
        baseline = baseline or self.baseline
        self.grid.baseline(baseline)
        return GridScores(self.grid, baseline=baseline, extra=extra).frame(keys)

    def means(self, scores: pd.DataFrame) -> pd.DataFrame:
        """`mean`, `low` and `high` of each method by label, undefined ones left out.

        Raises `RequestError` when none is defined.
        """
        found = means_by(scores, ["label"]).set_index("label")
        if found.empty:
            raise self.no_gain()
        return found

    def no_gain(self) -> RequestError:
        """The refusal of a grid in which no method has a gain over the baseline."""
        return RequestError(f"{self.title}: no gain over {self.baseline} is defined; it takes "
                            f"finished runs of {self.baseline} and values that are not near 0")

    @cached_property
    def best_first(self) -> list[str]:
        """Labels of lifelong methods with runs, best first as `order_text` says."""
        labels = [method.label for method in self.grid.lifelong if method.runs]
        return sorted(labels, key=lambda label: -self._gains.get(label, -inf))

    @property
    def order_text(self) -> str:
        """How methods are ordered: by gains where there are runs of finetune, else by name."""
        return f"by mean Δ over {REFERENCE}" if self._gains else "by name"

    @cached_property
    def _gains(self) -> dict[str, float]:
        """Mean Δ over finetune by label."""
        scores = GridScores(self.grid, baseline=REFERENCE).frame(["delta"])
        means = means_by(scores, ["label"])
        return dict(zip(means["label"].astype(str), means["mean"].astype(float), strict=True))

    def name(self, method: MethodRuns) -> str:
        """The label of a method, with the number of its runs when some are missing."""
        if not self.grid.missing(method):
            return method.label
        return f"{method.label} [{len(method.runs)} of {len(self.grid.keys)} runs]"

    def runs_text(self, marks: str) -> str:
        """`Means over 3 seeds of 6 orders; bars: ...`, where `marks` are what shows intervals."""
        seeds, orders = len(self.grid.seeds), len(self.grid.sequences)
        which = count_text(seeds, "seed") + (f" of {orders} orders" if orders > 1 else "")
        if seeds == 1:
            return f"{'Means over ' if orders > 1 else ''}{which}: how runs vary is not known."
        return (f"Means over {which}; {marks}: 95 % bootstrap intervals over seeds"
                f"{', orders kept' if orders > 1 else ''}.")

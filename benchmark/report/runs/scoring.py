"""Scores and costs of every run of a grid, paired with baselines by sequence and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from benchmark.errors import unknown
from benchmark.record import Cost, PhaseInfo, Record
from benchmark.report.runs.frame import matrices_of
from benchmark.report.runs.grid import BASELINES, Grid, MethodRuns, RunKey
from benchmark.scores import (
    Matrix,
    Score,
    bwt,
    delta,
    forgetting,
    gap_closed,
    intransigence,
    learning_transfer,
    mean,
    mean_rank,
    relative_bwt,
    relative_forgetting,
    worst_task,
)
from benchmark.tasks.convention import Convention

if TYPE_CHECKING:
    import pandas as pd

MIB = 2**20
References = Mapping[str, Matrix]
"""Baseline -> its matrix at the same sequence and seed."""


@dataclass(frozen=True)
class ScoreColumn:
    """A score or cost of one run that can be a column of a table."""

    title: str
    unit: str | Callable[[Record], str]
    higher_is_better: bool | None
    """None for costs: they are shown, not ranked."""
    of: Callable[[Matrix, References, Record], Score]
    about: str = ""
    """What a caption says of it: one sentence; gains share one that names their baselines."""
    needs: tuple[str, ...] = ()
    """Baselines it is computed from."""

    def unit_of(self, record: Record) -> str:
        """The unit in a table of runs such as `record`."""
        return self.unit if isinstance(self.unit, str) else self.unit(record)


def score_columns(baseline: str) -> dict[str, ScoreColumn]:
    """Every score of one run, by key; `delta` and `worst` refer to `baseline`."""
    return {
        "delta": _gain(baseline), **{f"delta_{name}": _gain(name) for name in BASELINES},
        "worst": ScoreColumn(
            "worst task Δ", "%", True,
            lambda own, references, record: worst_task(own, references[baseline]),
            f"Worst task: the smallest task term of Δ vs {baseline}.", (baseline,)),
        "gap": ScoreColumn(
            "gap closed", "", True, lambda own, references, record: gap_closed(
                own, references["finetune"], references["joint"]),
            "Gap closed: 0 is finetune, 1 is joint of the same sequence and seed; mean over all "
            "metrics of a task, then tasks.", ("finetune", "joint")),
        "forgetting": ScoreColumn(
            "forgetting", "%", False, lambda own, references, record: relative_forgetting(own),
            "Forgetting: of primary metrics, relative to the best earlier value, mean over earlier "
            "tasks."),
        "forgetting_abs": ScoreColumn(
            "absolute forgetting", _earlier_unit, False,
            lambda own, references, record: forgetting(own),
            "Absolute forgetting: of primary metrics in their unit, mean over earlier tasks."),
        "bwt": ScoreColumn(
            "BWT", "%", True, lambda own, references, record: relative_bwt(own),
            "BWT: of primary metrics, relative to the just learnt value, mean over earlier tasks."),
        "bwt_abs": ScoreColumn(
            "absolute BWT", _earlier_unit, True, lambda own, references, record: bwt(own),
            "Absolute BWT: of primary metrics in their unit, mean over earlier tasks."),
        "transfer": ScoreColumn(
            "learning transfer", "%", True, lambda own, references, record: mean(
                learning_transfer(own, references["separate"]).values()),
            "Learning transfer: gain of each task, just learnt, over a separate model of the same "
            "block, mean over tasks.", ("separate",)),
        "intransigence": ScoreColumn(
            "intransigence, last task", _last_unit, False,
            lambda own, references, record: _last_intransigence(own, references["joint"]),
            "Intransigence: how far the last task, just learnt, stays behind joint, in the unit of "
            "its primary metric; of earlier tasks it is unknown, since joint models of their "
            "blocks alone are not trained.", ("joint",)),
        **COSTS}


def _cost(title: str, unit: str, of: Callable[[Record], Score]) -> ScoreColumn:
    return ScoreColumn(title, unit, None, lambda own, references, record: of(record))


def _per_image(passes: Callable[[PhaseInfo], int | None]) -> Callable[[Record], Score]:
    """Encoder passes per training image; finetune has one forwards and one backwards."""
    def of(record: Record) -> Score:
        images = sum(phase.images for phase in record.phases)
        known = [count for phase in record.phases if (count := passes(phase)) is not None]
        if len(known) < len(record.phases) or not images:
            return Score(None, "passes were not recorded")
        return Score(sum(known) / images)
    return of


def _recorded(of: Callable[[Cost], float]) -> Callable[[Record], Score]:
    """A cost that records of failed or older runs lack."""
    return lambda record: (Score(of(record.cost)) if record.cost else
                           Score(None, "not recorded"))


def _added(cost: Cost) -> float:
    """In % of the parameters of one backbone and a head per task."""
    return 100 * cost.parameters_added / (cost.parameters - cost.parameters_added)


COSTS = {
    "carried": _cost("carried", "MiB", _recorded(lambda cost: cost.carried_bytes / MIB)),
    "exemplars": _cost("exemplars", "", _recorded(lambda cost: float(cost.exemplars))),
    "exemplar_bytes": _cost("of these", "MiB", _recorded(lambda cost: cost.exemplar_bytes / MIB)),
    "parameters_added": _cost("parameters added", "%", _recorded(_added)),
    "forwards": _cost("forwards per image", "", _per_image(lambda phase: phase.encoder_forwards)),
    "backwards": _cost("backwards per image", "",
                       _per_image(lambda phase: phase.encoder_backwards)),
    "memory": _cost("peak memory", "MiB", lambda record: Score(
        max((phase.peak_memory_bytes for phase in record.phases), default=0) / MIB)),
    "train": _cost("training", "s", lambda record: Score(
        sum(phase.train_seconds for phase in record.phases)))}
"""What methods cost: memory between phases, exemplars, parameters, passes of encoders (teachers'
too) per training image, memory and time."""


def checked_choice(baseline: str, convention: str) -> str:
    """The convention in its canonical form. Raises `RequestError` for an unknown one, or an
    unknown baseline."""
    if baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES)
    return str(Convention.parse(convention))


class GridScores:
    """The runs of a grid under one convention: their matrices and every score of each of them.

    A run that cannot be scored under the convention has no matrix; `errors` says why, by run id.
    """

    def __init__(self, grid: Grid, convention: str = "pixel", baseline: str = BASELINES[0],
                 extra: Mapping[str, ScoreColumn] | None = None) -> None:
        """`extra` are scores by key beside those of `score_columns`."""
        self.grid, self.convention, self.baseline = grid, convention, baseline
        self.columns = score_columns(baseline) | dict(extra or {})
        self.matrices, self.errors = matrices_of(grid, convention)

    def reference(self, name: str) -> dict[RunKey, Matrix]:
        """The matrices of a baseline by key; none where it was not run."""
        method = self.grid.find_baseline(name)
        return self.matrices[method.label] if method else {}

    def per_run(self, method: MethodRuns, of: Callable[[Matrix, References, Record], Score],
                needs: Sequence[str] = ()) -> dict[RunKey, Score]:
        """A score of every run of `method` whose baselines `needs` were run beside it."""
        references = {name: self.reference(name) for name in needs}
        return {key: of(matrix, {name: found[key] for name, found in references.items()},
                        method.runs[key].record)
                for key, matrix in self.matrices[method.label].items()
                if all(key in found for found in references.values())}

    def of(self, method: MethodRuns, key: str) -> dict[RunKey, Score]:
        """The score, cost or final metric (`task/metric`) called `key` of every run of `method`
        whose baselines were run beside it."""
        if "/" in key:
            task, metric = key.split("/")
            return self.per_run(method, lambda own, references, record: _final(own, task, metric))
        column = self.columns[key]
        return self.per_run(method, column.of, column.needs)

    def frame(self, keys: Iterable[str]) -> pd.DataFrame:
        """One row per run and score: label, sequence, seed, score, value (NaN where undefined) and
        the reason why; a run without the baselines of a score has no row of it."""
        import pandas as pd

        keys = list(keys)
        rows = [(method.label, *run, key, score.value, score.reason)
                for method in self.grid.methods for key in keys
                for run, score in self.of(method, key).items()]
        return pd.DataFrame(rows, columns=["label", "sequence", "seed", "score", "value",
                                           "reason"]).astype({"value": "float64"})

    @cached_property
    def mean_ranks(self) -> dict[str, Score]:
        """Mean rank of each lifelong method over all runs of the grid, by label."""
        own = {method.label: self.matrices[method.label] for method in self.grid.lifelong}
        return mean_rank([{label: matrices[key] for label, matrices in own.items()
                           if key in matrices} for key in self.grid.keys])


def _gain(baseline: str) -> ScoreColumn:
    return ScoreColumn(f"Δ vs {baseline}", "%", True,
                       lambda own, references, record: delta(own, references[baseline]),
                       needs=(baseline,))


def _final(own: Matrix, task: str, metric: str) -> Score:
    curve = own.curve(task, metric)
    value = curve.final if curve else None
    return Score(value, "" if value is not None else (curve and curve.undefined) or "not measured")


def _last_intransigence(own: Matrix, joint: Matrix) -> Score:
    last = own.primary[-1]
    return intransigence(own, {last.task: joint.final(last.task, last.metric)})[last.task]


def _primary_units(record: Record) -> list[str]:
    return [metric.unit for task in record.tasks for metric in task.metrics if metric.primary]


def _earlier_unit(record: Record) -> str:
    """The unit that all tasks but the last share; empty where they do not."""
    units = set(_primary_units(record)[:-1])
    return units.pop() if len(units) == 1 else ""


def _last_unit(record: Record) -> str:
    return _primary_units(record)[-1]

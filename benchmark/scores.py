"""Lifelong scores: pure functions of the matrix a run leaves, defined in docs/metrics.md.

R[t, j, m] is metric m of task j after phase t, s_m is +1 when higher is better and -1 when lower
is better. Every score is a `Score`: a value, or none and the reason why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.record import Record

EPS = 1e-6
"""A ratio whose denominator is nearer to 0 than this is undefined."""

Value = float | None
Measured = Mapping[str, Mapping[str, Sequence[Value]]]
"""Task -> metric -> values after phases 1 to T, as `Record.matrix` holds them."""


@dataclass(frozen=True)
class Score:
    """A number, or the reason why there is none."""

    value: Value
    reason: str = ""


@dataclass(frozen=True)
class Curve:
    """One metric of one task: its values after phases 1 to T, None where not measured."""

    task: str
    metric: str
    unit: str
    higher_is_better: bool
    primary: bool
    learnt: int
    """The task's own phase, counted from 1."""
    values: tuple[Value, ...]
    undefined: str = ""
    """After which evaluation the metric has no value, and why."""

    @property
    def sign(self) -> int:
        return 1 if self.higher_is_better else -1

    def after(self, phase: int) -> Value:
        return self.values[phase - 1]

    @property
    def final(self) -> Value:
        return self.values[-1]

    @property
    def name(self) -> str:
        return f"{self.task} {self.metric}"


@dataclass(frozen=True)
class Matrix:
    """R of one run: the curves of every task, grouped by task."""

    tasks: tuple[tuple[Curve, ...], ...]

    @classmethod
    def of(cls, record: Record, measured: Measured | None = None) -> Matrix:
        """The matrix of `record`; `measured` replaces its values, as another convention does."""
        rows = record.matrix if measured is None else measured
        return cls(tuple(
            tuple(Curve(task.name, metric.name, metric.unit, metric.higher_is_better,
                        metric.primary, learnt, values, record.why_undefined(task.name, values))
                  for metric in task.metrics for values in [tuple(rows[task.name][metric.name])])
            for learnt, task in enumerate(record.tasks, start=1)))

    @property
    def phases(self) -> int:
        return len(self.tasks[0][0].values)

    @property
    def primary(self) -> list[Curve]:
        return [curve for task in self.tasks for curve in task if curve.primary]

    def final(self, task: str, metric: str) -> Value:
        """R[T, task, metric]; None where it was not measured."""
        found = self.curve(task, metric)
        return found.final if found else None

    def curve(self, task: str, metric: str) -> Curve | None:
        """A metric of a task; None where the run has it not."""
        return next((curve for curves in self.tasks for curve in curves
                     if (curve.task, curve.metric) == (task, metric)), None)


def forgetting(matrix: Matrix) -> Score:
    """Mean over tasks j < T of `forgetting_of` on primary metrics (Chaudhry et al. 2018).

    In the unit of the metrics; undefined when the units differ or T = 1.
    """
    return _mean_absolute(matrix, forgetting_of)


def bwt(matrix: Matrix) -> Score:
    """Backward transfer: mean over j < T of `bwt_of` (Lopez-Paz and Ranzato 2017).

    In the unit of the primary metrics; undefined when the units differ or T = 1.
    """
    return _mean_absolute(matrix, bwt_of)


def relative_forgetting(matrix: Matrix) -> Score:
    """100 * forgetting_j / |R[l*, j]| of primary metrics, mean over tasks j < T (%)."""
    return _mean_relative(matrix, lambda curve: _per_cent(forgetting_of(curve), _best(curve),
                                                          f"best {curve.name}"))


def relative_bwt(matrix: Matrix) -> Score:
    """100 * BWT_j / |R[j, j]| of primary metrics, mean over tasks j < T (%)."""
    return _mean_relative(matrix, lambda curve: _per_cent(bwt_of(curve), curve.after(curve.learnt),
                                                          f"just learnt {curve.name}"))


def forgetting_of(curve: Curve) -> Score:
    """max over learnt <= l < T of s R[l] - s R[T]; negative when the task got better at last."""
    known = [value for value in curve.values[curve.learnt - 1:] if value is not None]
    if len(known) != len(curve.values) - curve.learnt + 1:
        return _unmeasured(curve)
    if len(known) < 2:
        return Score(None, f"{curve.name} is learnt last")
    signed = [curve.sign * value for value in known]
    return Score(max(signed[:-1]) - signed[-1])


def bwt_of(curve: Curve) -> Score:
    """s (R[T] - R[learnt]) of one metric of one task."""
    first, last = curve.after(curve.learnt), curve.final
    if first is None or last is None:
        return _unmeasured(curve)
    if curve.learnt == len(curve.values):
        return Score(None, f"{curve.name} is learnt last")
    return Score(curve.sign * (last - first))


def delta(matrix: Matrix, baseline: Matrix, phase: int | None = None) -> Score:
    """Delta^t_b in %: relative gain over the baseline's final values (Maninis et al. 2019).

    100/t * sum over tasks learnt by phase t of 1/M_j * sum_m s_m (R[t,j,m] - B[j,m]) / |B[j,m]|;
    t is the last phase unless given. Positive is better.
    """
    return mean(task_deltas(matrix, baseline, phase).values())


def delta_curve(matrix: Matrix, baseline: Matrix) -> list[Score]:
    """Delta^t_b for t = 1 to T."""
    return [delta(matrix, baseline, phase) for phase in range(1, matrix.phases + 1)]


def task_deltas(matrix: Matrix, baseline: Matrix, phase: int | None = None) -> dict[str, Score]:
    """The terms of `delta` by task, in %."""
    at = matrix.phases if phase is None else phase
    return {curves[0].task: mean(_gain(curve, curve.after(at),
                                       baseline.final(curve.task, curve.metric), "baseline")
                                 for curve in curves)
            for curves in matrix.tasks if curves[0].learnt <= at}


def worst_task(matrix: Matrix, baseline: Matrix) -> Score:
    """The smallest of the final `task_deltas`, in %."""
    scores = list(task_deltas(matrix, baseline).values())
    values = [score.value for score in scores if score.value is not None]
    undefined = [score for score in scores if score.value is None]
    return undefined[0] if undefined else Score(min(values))


def learning_transfer(matrix: Matrix, separate: Matrix) -> dict[str, Score]:
    """LT_j = 100 s (R[j,j] - S_j) / |S_j| by task in %; S trained on the same blocks alone."""
    return {curves[0].task: mean(_gain(curve, curve.after(curve.learnt),
                                       separate.final(curve.task, curve.metric), "separate")
                                 for curve in curves)
            for curves in matrix.tasks}


def intransigence(matrix: Matrix, joint: Mapping[str, Value]) -> dict[str, Score]:
    """s (J_j - R[j,j]) by task, primary metric in its unit (Chaudhry et al. 2018).

    `joint[task]` is the primary metric of a joint model of blocks 1 to j, the task's own phase.
    """
    scores = {}
    for curve in matrix.primary:
        reference, learnt = joint.get(curve.task), curve.after(curve.learnt)
        if reference is None:
            scores[curve.task] = Score(None, f"no joint model up to {curve.task}")
        elif learnt is None:
            scores[curve.task] = _unmeasured(curve)
        else:
            scores[curve.task] = Score(curve.sign * (reference - learnt))
    return scores


def gap_closed(matrix: Matrix, finetune: Matrix, joint: Matrix) -> Score:
    """(R - R_finetune) / (R_joint - R_finetune) of final values, mean within tasks, then over.

    0 is finetune, 1 is joint; a method can leave that range.
    """
    return mean(mean(_gap(curve, finetune, joint) for curve in curves) for curves in matrix.tasks)


def mean_rank(runs: Sequence[Mapping[str, Matrix]]) -> dict[str, Score]:
    """Mean rank by method, 1 is best, over runs (sequence and seed) of a fixed set of methods.

    Ranks per metric with ties averaged, mean over a task's metrics, then tasks, then runs. A run
    that lacks a method, or a value, leaves every rank undefined.
    """
    methods = list(dict.fromkeys(name for run in runs for name in run))
    for run in runs:
        lacking = [name for name in methods if name not in run]
        if lacking:
            return dict.fromkeys(methods, Score(None, f"a run of {lacking[0]} is missing"))
    ranked = [_ranks(run) for run in runs]
    return {name: mean(run[name] for run in ranked) for name in methods}


def mean(scores: Iterable[Score]) -> Score:
    """The mean; undefined, for the first reason met, as soon as one of `scores` is."""
    values = []
    for score in scores:
        if score.value is None:
            return score
        values.append(score.value)
    return Score(sum(values) / len(values)) if values else Score(None, "nothing to average")


def _ranks(run: Mapping[str, Matrix]) -> dict[str, Score]:
    """Mean rank of each method within one run."""
    first = next(iter(run.values()))
    by_task: dict[str, list[Score]] = {name: [] for name in run}
    for curves in first.tasks:
        ranks = [_rank_one(run, curve) for curve in curves]
        for name in run:
            by_task[name].append(mean(rank[name] for rank in ranks))
    return {name: mean(scores) for name, scores in by_task.items()}


def _rank_one(run: Mapping[str, Matrix], curve: Curve) -> dict[str, Score]:
    finals = {name: matrix.final(curve.task, curve.metric) for name, matrix in run.items()}
    signed = {name: curve.sign * value for name, value in finals.items() if value is not None}
    if len(signed) < len(finals):
        lacking = next(name for name in finals if name not in signed)
        own = run[lacking].curve(curve.task, curve.metric)
        why = own.undefined if own and own.undefined else "not measured"
        return dict.fromkeys(finals, Score(None, f"{curve.name} of {lacking} is {why}"))
    values = list(signed.values())
    return {name: Score(1 + sum(other > value for other in values)
                        + (values.count(value) - 1) / 2)
            for name, value in signed.items()}


def _mean_absolute(matrix: Matrix, of: Callable[[Curve], Score]) -> Score:
    earlier = [curve for curve in matrix.primary if curve.learnt < matrix.phases]
    if not earlier:
        return Score(None, "a sequence of one task forgets nothing")
    units = sorted({curve.unit for curve in earlier})
    if len(units) > 1:
        return Score(None, f"tasks in {' and '.join(units)} have no common mean")
    return mean(of(curve) for curve in earlier)


def _mean_relative(matrix: Matrix, of: Callable[[Curve], Score]) -> Score:
    earlier = [curve for curve in matrix.primary if curve.learnt < matrix.phases]
    if not earlier:
        return Score(None, "a sequence of one task forgets nothing")
    return mean(of(curve) for curve in earlier)


def _best(curve: Curve) -> Value:
    known = [value for value in curve.values[curve.learnt - 1:-1] if value is not None]
    return max(known, key=lambda value: curve.sign * value) if known else None


def _per_cent(score: Score, of: Value, what: str) -> Score:
    if score.value is None or of is None:
        return score
    if abs(of) < EPS:
        return Score(None, f"{what} is {of:g}, too near 0 to divide by")
    return Score(100 * score.value / abs(of))


def _gain(curve: Curve, value: Value, reference: Value, what: str) -> Score:
    if value is None:
        return _unmeasured(curve)
    if reference is None:
        return Score(None, f"the {what} has no {curve.name}")
    return _per_cent(Score(curve.sign * (value - reference)), reference, f"{what} {curve.name}")


def _gap(curve: Curve, finetune: Matrix, joint: Matrix) -> Score:
    low = finetune.final(curve.task, curve.metric)
    high = joint.final(curve.task, curve.metric)
    if curve.final is None or low is None or high is None:
        return Score(None, f"{curve.name} is missing in the run, finetune or joint")
    if abs(high - low) < EPS:
        return Score(None, f"joint and finetune agree on {curve.name}")
    return Score((curve.final - low) / (high - low))


def _unmeasured(curve: Curve) -> Score:
    why = curve.undefined or "not measured after every phase the score needs"
    return Score(None, f"{curve.name} is {why}")

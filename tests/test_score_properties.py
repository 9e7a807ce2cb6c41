"""Scores of any matrix: the formulas of docs/metrics.md, and what they must not depend on.

tests/test_scores.py has the golden matrices and the cases by hand; here metrics of one run differ
in direction and unit, as those of heterogeneous tasks do.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmark import scores
from benchmark.scores import EPS, Curve, Matrix

amounts = st.integers(1, 1000).map(lambda value: value / 10)
for_any = settings(deadline=None)


@st.composite
def cases(draw, tasks=(2, 3, 4)):
    """A run and two bounds of it: tasks of one to three metrics, each with its own direction."""
    phases = draw(st.sampled_from(tasks))
    listing = [(task, metric, draw(st.booleans())) for task in range(phases)
               for metric in range(draw(st.integers(1, 3)))]

    def one(first):
        return Matrix(tuple(
            tuple(Curve(f"task{task}", f"metric{metric}", "m", higher, metric == 0, task + 1,
                        tuple(None if phase < first(task) else draw(amounts)
                              for phase in range(phases)))
                  for task, metric, higher in listing if task == wanted)
            for wanted in range(phases)))
    return one(lambda task: task), one(lambda _: phases - 1), one(lambda _: phases - 1)


def changed(matrix, change) -> Matrix:
    """The matrix with `change` applied to every curve."""
    return Matrix(tuple(tuple(map(change, curves)) for curves in matrix.tasks))


def valued(curve, change) -> Curve:
    """The curve with `change` applied to every value there is."""
    return replace(curve, values=tuple(None if value is None else change(value)
                                       for value in curve.values))


def relative(run, low, high) -> dict[str, float | None]:
    """Every score that has no unit."""
    found = {"delta": scores.delta(run, low), "worst": scores.worst_task(run, low),
             "forgetting": scores.relative_forgetting(run), "bwt": scores.relative_bwt(run),
             "gap": scores.gap_closed(run, low, high),
             **{f"delta of {task}": score for task, score in scores.task_deltas(run, low).items()},
             **{f"after {phase}": score
                for phase, score in enumerate(scores.delta_curve(run, low), start=1)},
             **{f"transfer to {task}": score
                for task, score in scores.learning_transfer(run, high).items()},
             **scores.mean_rank([{"run": run, "low": low, "high": high}])}
    return {name: score.value for name, score in found.items()}


def signs(matrix):
    """(sign, curve) of every metric, by task."""
    return [[(1 if curve.higher_is_better else -1, curve) for curve in curves]
            for curves in matrix.tasks]


def gain(ours, reference, sign) -> float:
    return sign * (ours - reference) / abs(reference)


# The formulas, written out

@for_any
@given(cases(), st.data())
def test_delta_is_the_formula_after_any_phase(case, data):
    run, low, _ = case
    phase = data.draw(st.integers(1, run.phases))
    terms = [100 * fmean(gain(curve.values[phase - 1], low.tasks[task][metric].values[-1], sign)
                         for metric, (sign, curve) in enumerate(curves))
             for task, curves in enumerate(signs(run)) if task < phase]
    assert scores.delta(run, low, phase).value == pytest.approx(fmean(terms))
    if phase == run.phases:
        assert scores.worst_task(run, low).value == pytest.approx(min(terms))


@for_any
@given(cases())
def test_forgetting_and_bwt_are_the_formulas(case):
    run = case[0]
    forgotten, moved = [], []
    for task, curves in enumerate(signs(run)[:-1]):
        sign, curve = curves[0]  # the primary metric
        gone, last = [sign * value for value in curve.values[task:-1]], sign * curve.values[-1]
        forgotten.append(max(gone) - last)
        moved.append(last - gone[0])
    assert scores.forgetting(run).value == pytest.approx(fmean(forgotten))
    assert scores.bwt(run).value == pytest.approx(fmean(moved))


@for_any
@given(cases(tasks=[2]))
def test_two_tasks_have_one_term_not_none(case):
    sign, first = signs(case[0])[0][0]
    lost = sign * (first.values[0] - first.values[1])
    assert scores.forgetting(case[0]).value == pytest.approx(lost)
    assert scores.bwt(case[0]).value == pytest.approx(-lost)
    per_cent = pytest.approx(100 * lost / first.values[0])
    assert scores.relative_forgetting(case[0]).value == per_cent


# What scores must not depend on

@for_any
@given(cases(), st.data())
def test_the_direction_of_one_metric_is_a_way_of_writing(case, data):
    turned = data.draw(st.sets(st.sampled_from([curve.name for curves in case[0].tasks
                                                for curve in curves])))

    def turn(curve):
        if curve.name not in turned:
            return curve
        return replace(valued(curve, lambda value: -value),
                       higher_is_better=not curve.higher_is_better)
    assert relative(*(changed(each, turn) for each in case)) == pytest.approx(relative(*case))


@for_any
@given(cases(), st.lists(st.sampled_from([1e-3, 0.0254, 60, 1e3]), min_size=12, max_size=12))
def test_the_unit_of_one_metric_is_a_way_of_writing(case, factors):
    names = [curve.name for curves in case[0].tasks for curve in curves]
    of = dict(zip(names, factors, strict=False))

    def scale(curve):
        return valued(curve, lambda value: of[curve.name] * value)
    assume(all(abs(high.final - low.final) * of[low.name] > EPS for curves, others
               in zip(case[1].tasks, case[2].tasks, strict=True)
               for low, high in zip(curves, others, strict=True)))
    assert relative(*(changed(each, scale) for each in case)) == pytest.approx(relative(*case))


@for_any
@given(cases(), st.randoms(use_true_random=False))
def test_the_listing_of_tasks_and_metrics_is_a_way_of_writing(case, random):
    def listed(matrix):
        tasks = [tuple(random.sample(curves, len(curves))) for curves in matrix.tasks]
        return Matrix(tuple(random.sample(tasks, len(tasks))))
    assert relative(*map(listed, case)) == pytest.approx(relative(*case))


@for_any
@given(st.lists(cases(tasks=[3]), min_size=1, max_size=3), st.permutations(range(3)))
def test_ranks_know_methods_and_runs_by_name_only(runs, order):
    names = ("a", "b", "c")
    listed = [dict(zip(names, run, strict=True)) for run in runs]
    shuffled = [{names[index]: run[index] for index in order} for run in reversed(runs)]
    expected = {name: score.value for name, score in scores.mean_rank(listed).items()}
    found = {name: score.value for name, score in scores.mean_rank(shuffled).items()}
    assert found == pytest.approx(expected)


@for_any
@given(cases())
def test_ranks_see_only_which_value_is_better(case):
    cubed = [changed(each, lambda curve: valued(curve, lambda value: value ** 3))
             for each in case]
    names = ("a", "b", "c")
    assert (scores.mean_rank([dict(zip(names, cubed, strict=True))])
            == scores.mean_rank([dict(zip(names, case, strict=True))]))


@for_any
@given(cases(), st.data(), st.floats(0.01, 10))
def test_a_better_final_value_is_never_worse_for_any_score(case, data, step):
    run, low, _ = case
    name = data.draw(st.sampled_from([curve.name for curves in run.tasks for curve in curves]))

    def better(curve):
        if curve.name != name:
            return curve
        return replace(curve, values=(*curve.values[:-1], curve.final + curve.sign * step))
    improved = changed(run, better)
    assert scores.delta(improved, low).value > scores.delta(run, low).value
    assert scores.worst_task(improved, low).value >= scores.worst_task(run, low).value
    assert scores.forgetting(improved).value <= scores.forgetting(run).value
    assert scores.bwt(improved).value >= scores.bwt(run).value


# What has no value says why

def lacking(matrix, name, final) -> Matrix:
    """The matrix with another final value of one curve."""
    return changed(matrix, lambda curve: replace(curve, values=(*curve.values[:-1], final))
                   if curve.name == name else curve)


@for_any
@given(cases(), st.data(), st.sampled_from([None, 0.0, EPS / 2, -EPS / 2]))
def test_a_baseline_that_lacks_a_value_leaves_no_number_and_a_reason(case, data, final):
    run, low, high = case
    task = data.draw(st.integers(0, run.phases - 1))
    curve = data.draw(st.sampled_from(low.tasks[task]))
    holed = lacking(low, curve.name, final)
    for score in (scores.delta(run, holed), scores.worst_task(run, holed),
                  scores.task_deltas(run, holed)[curve.task],
                  scores.learning_transfer(run, holed)[curve.task]):
        assert score.value is None
        assert curve.name in score.reason
    # What does not need the value is as before.
    untouched = scores.task_deltas(run, low)
    for name, score in scores.task_deltas(run, holed).items():
        assert name == curve.task or score == untouched[name]
    for phase in range(1, run.phases + 1):
        known = scores.delta(run, holed, phase)
        assert known == scores.delta(run, low, phase) if phase <= task else known.value is None
    if final is None:
        assert scores.gap_closed(run, holed, high).value is None


@for_any
@given(cases(), st.data(), st.floats(-1, 1).map(lambda share: share * 0.99 * EPS))
def test_bounds_that_agree_leave_no_gap_to_close(case, data, apart):
    run, low, high = case
    curve = data.draw(st.sampled_from([each for curves in low.tasks for each in curves]))
    found = scores.gap_closed(run, low, lacking(high, curve.name, curve.final + apart))
    assert found.value is None
    assert "joint and finetune agree" in found.reason


@for_any
@given(cases(), st.data())
def test_a_final_value_that_was_not_measured_leaves_no_number(case, data):
    run, low, high = case
    task = data.draw(st.integers(0, run.phases - 1))
    curve = run.tasks[task][0]
    holed = lacking(run, curve.name, None)
    assert scores.gap_closed(holed, low, high).value is None
    found = [scores.delta(holed, low), *scores.mean_rank([{"run": holed, "low": low}]).values()]
    if task < run.phases - 1:
        found += [scores.forgetting(holed), scores.bwt(holed),
                  scores.relative_forgetting(holed), scores.relative_bwt(holed)]
    assert all(score.value is None and curve.name in score.reason for score in found)

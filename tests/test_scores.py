"""Lifelong scores: golden matrices, undefined cases, and what scores must not depend on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from benchmark import scores
from benchmark.scores import Curve, Matrix

GOLDEN = [
    ([[.8, .1, .1], [.6, .7, .12], [.65, .5, .75]], .175, -.175),
    ([[.8, .1], [.6, .7]], .20, -.20),
    ([[.6, None, None], [.7, .7, None], [.8, .5, .75]], .05, .00),
]


def matrix(rows, higher=True, units=None, metrics=1) -> Matrix:
    """A matrix from rows (after phase) and columns (task), `metrics` columns per task."""
    columns = list(zip(*rows, strict=True))
    count = len(columns) // metrics
    return Matrix(tuple(
        tuple(Curve(f"task{task}", f"metric{index}", units[task] if units else "%", higher,
                    index == 0, task + 1, tuple(columns[task * metrics + index]))
              for index in range(metrics))
        for task in range(count)))


def finals(*values, higher=True, metrics=1) -> Matrix:
    """A bound: only its last row is filled."""
    phases = len(values) // metrics
    return matrix([[None] * len(values)] * (phases - 1) + [list(values)], higher, metrics=metrics)


def negated(result: Matrix) -> Matrix:
    """The same run, with metrics that are better when lower."""
    return Matrix(tuple(
        tuple(replace(curve, higher_is_better=not curve.higher_is_better,
                      values=tuple(None if value is None else -value for value in curve.values))
              for curve in curves)
        for curves in result.tasks))


def scaled(result: Matrix, factor: float) -> Matrix:
    return Matrix(tuple(
        tuple(replace(curve, values=tuple(None if value is None else factor * value
                                          for value in curve.values))
              for curve in curves)
        for curves in result.tasks))


# Golden matrices

@pytest.mark.parametrize(("rows", "forgetting", "bwt"), GOLDEN)
def test_golden_matrices_and_their_negations(rows, forgetting, bwt):
    for result in (matrix(rows), negated(matrix(rows))):
        assert scores.forgetting(result).value == pytest.approx(forgetting)
        assert scores.bwt(result).value == pytest.approx(bwt)


def test_relative_forms_divide_by_best_and_just_learnt():
    result = matrix([[40, None, None], [50, 20, None], [45, 18, 30]])
    assert scores.relative_forgetting(result).value == pytest.approx((100 * 5 / 50 + 10) / 2)
    assert scores.relative_bwt(result).value == pytest.approx((100 * 5 / 40 - 10) / 2)


def test_delta_by_hand():
    # task 0: two metrics, both up; +50 % and -10 %; task 1: +100 % and 0 %
    result = matrix([[30, 90, None, None], [30, 90, 4, 7]], metrics=2)
    baseline = matrix([[77, 77, None, None], [20, 100, 2, 7]], metrics=2)
    assert scores.delta(result, baseline).value == pytest.approx((20 + 50) / 2)
    assert scores.delta(result, baseline, phase=1).value == pytest.approx(20)
    curve = [score.value for score in scores.delta_curve(result, baseline)]
    assert curve == pytest.approx([20, 35])
    assert scores.worst_task(result, baseline).value == pytest.approx(20)


def test_lower_errors_are_gains():
    result, baseline = finals(.4, .9, higher=False), finals(.5, .6, higher=False)
    assert scores.task_deltas(result, baseline)["task0"].value == pytest.approx(20)
    assert scores.worst_task(result, baseline).value == pytest.approx(-50)
    assert scores.delta(result, baseline).value == pytest.approx(-15)


def test_gap_closed_is_0_for_finetune_and_1_for_joint():
    low, high = finals(10, 20), finals(50, 60)
    assert scores.gap_closed(low, low, high).value == 0
    assert scores.gap_closed(high, low, high).value == 1
    assert scores.gap_closed(finals(30, 40), low, high).value == pytest.approx(.5)
    assert scores.gap_closed(finals(90, 40), low, high).value == pytest.approx((2 + .5) / 2)


def test_learning_transfer_and_intransigence_look_at_the_own_phase():
    result = matrix([[40, None], [10, 30]])
    transfer = scores.learning_transfer(result, finals(50, 20))
    assert [score.value for score in transfer.values()] == pytest.approx([-20, 50])
    gap = scores.intransigence(result, {"task0": 45.0, "task1": 25.0})
    assert [score.value for score in gap.values()] == pytest.approx([5, -5])
    assert scores.intransigence(result, {"task0": 45.0})["task1"].value is None


# Undefined scores

def test_one_task_forgets_nothing():
    for score in (scores.forgetting, scores.bwt, scores.relative_forgetting, scores.relative_bwt):
        found = score(matrix([[.5]]))
        assert found.value is None
        assert "one task" in found.reason


def test_bounds_have_no_forgetting_but_a_delta():
    bound = finals(60, 70, 80)
    for score in (scores.forgetting, scores.bwt, scores.relative_forgetting, scores.relative_bwt):
        assert score(bound).value is None
    assert scores.delta(bound, finals(50, 50, 50)).value == pytest.approx((20 + 40 + 60) / 3)
    assert scores.delta(bound, finals(50, 50, 50), phase=1).value is None


@pytest.mark.parametrize("tiny", [0.0, -0.0, 1e-9, -1e-9])
def test_ratios_over_nothing_are_undefined_with_the_metric_named(tiny):
    found = scores.delta(finals(60, 70), finals(50, tiny))
    assert found.value is None
    assert "task1 metric0" in found.reason
    assert scores.worst_task(finals(60, 70), finals(50, tiny)).value is None
    assert scores.relative_bwt(matrix([[tiny, None], [1, 1]])).value is None
    assert scores.relative_forgetting(matrix([[tiny, None], [-1, 1]])).value is None
    assert scores.gap_closed(finals(1, 1), finals(1, 5), finals(1 + tiny, 9)).value is None


def test_means_over_different_units_are_refused_but_relative_ones_are_not():
    result = matrix([[8, None, None], [6, 7, None], [6, 5, 7]], units=["%", "m", "deg"])
    found = scores.forgetting(result)
    assert found.value is None
    assert "%" in found.reason
    assert "m" in found.reason
    assert scores.relative_forgetting(result).value is not None
    two = matrix([[8, None], [6, 7]], units=["%", "m"])
    assert scores.forgetting(two).value == 2


def test_a_value_missing_after_learning_leaves_forgetting_undefined():
    holed = matrix([[8, None, None], [None, 7, None], [6, 5, 7]])
    assert scores.forgetting(holed).value is None
    assert scores.bwt(holed).value == pytest.approx(-2)


def test_tasks_are_matched_by_name_not_by_place():
    result, other = finals(10, 20), Matrix(finals(5, 40).tasks[::-1])
    assert scores.delta(result, other).value == pytest.approx((100 - 50) / 2)
    assert scores.delta(result, Matrix(other.tasks[:1])).value is None


# Ranks

def test_ranks_average_ties_like_scipy():
    values = [30.0, 50.0, 30.0, 10.0]
    run = {f"method{index}": finals(value, -value) for index, value in enumerate(values)}
    expected = (rankdata([-value for value in values]) + rankdata(values)) / 2
    ranks = scores.mean_rank([run])
    assert [score.value for score in ranks.values()] == pytest.approx(list(expected))


def test_ranks_follow_the_direction_and_average_runs():
    runs = [{"a": finals(1, 1, higher=False), "b": finals(2, 2, higher=False)},
            {"a": finals(2, 2, higher=False), "b": finals(1, 1, higher=False)},
            {"a": finals(1, 1, higher=False), "b": finals(2, 2, higher=False)}]
    ranks = scores.mean_rank(runs)
    assert ranks["a"].value == pytest.approx(4 / 3)
    assert ranks["b"].value == pytest.approx(5 / 3)


def test_nothing_is_ranked_over_holes():
    runs = [{"a": finals(1, 1), "b": finals(2, 2)}, {"a": finals(1, 1)}]
    assert all(score.value is None for score in scores.mean_rank(runs).values())
    assert "b" in scores.mean_rank(runs)["a"].reason
    runs = [{"a": finals(1, 1), "b": finals(2, None)}]
    assert all(score.value is None for score in scores.mean_rank(runs).values())
    assert scores.mean_rank([]) == {}


# Properties

amounts = st.floats(0.1, 100).map(lambda value: round(value, 3))


@st.composite
def runs(draw, metrics=2):
    """A lower-triangular matrix and a baseline for it, of 2 to 4 tasks with two metrics each."""
    tasks = draw(st.integers(2, 4))
    rows = [[draw(amounts) if column // metrics <= row else None
             for column in range(tasks * metrics)] for row in range(tasks)]
    base = finals(*(draw(amounts) for _ in range(tasks * metrics)), metrics=metrics)
    return matrix(rows, metrics=metrics), base


def everything(result, base) -> dict[str, float | None]:
    joint = {curves[0].task: base.final(curves[0].task, "metric0") for curves in result.tasks}
    found = {"forgetting": scores.forgetting(result), "bwt": scores.bwt(result),
             "relative_forgetting": scores.relative_forgetting(result),
             "relative_bwt": scores.relative_bwt(result), "delta": scores.delta(result, base),
             "worst": scores.worst_task(result, base),
             **{f"delta {phase}": score
                for phase, score in enumerate(scores.delta_curve(result, base))},
             **scores.learning_transfer(result, base)}
    values = {name: score.value for name, score in found.items()}
    return values | {f"intransigence {name}": score.value
                     for name, score in scores.intransigence(result, joint).items()}


def same(left, right, skip=()) -> bool:
    return all(math.isclose(left[name], right[name], rel_tol=1e-9, abs_tol=1e-9)
               for name in left if name not in skip)


@given(runs())
def test_negating_a_metric_and_its_direction_changes_no_score(case):
    result, base = case
    assert same(everything(result, base), everything(negated(result), negated(base)))


@given(runs(), st.randoms())
def test_the_listing_order_of_tasks_changes_no_score(case, random):
    result, base = case
    order = list(result.tasks)
    random.shuffle(order)
    assert same(everything(result, base), everything(Matrix(tuple(order)), base))


@given(runs(), st.sampled_from([1e-2, 60, 1e4]))
def test_scaling_a_unit_changes_no_relative_score(case, factor):
    result, base = case
    left, right = everything(result, base), everything(scaled(result, factor),
                                                       scaled(base, factor))
    absolute = {name for name in left if name in ("forgetting", "bwt") or "intrans" in name}
    assert same(left, right, skip=absolute)
    assert right["forgetting"] == pytest.approx(factor * left["forgetting"])


@given(runs())
def test_a_run_gains_nothing_over_itself(case):
    result, base = case
    assert scores.delta(result, result).value == 0
    assert scores.gap_closed(base, result, base).value in (None, pytest.approx(1))


@given(st.lists(st.lists(st.integers(0, 5), min_size=2, max_size=2), min_size=1, max_size=6))
def test_ranks_share_a_fixed_sum(values):
    run = {str(index): finals(*map(float, pair)) for index, pair in enumerate(values)}
    total = sum(score.value for score in scores.mean_rank([run]).values())
    assert total == pytest.approx(len(values) * (len(values) + 1) / 2)


@given(runs())
def test_forgetting_is_never_less_than_lost_backward_transfer(case):
    # The best value before the end is at least the one just after learning
    result, _ = case
    assert scores.forgetting(result).value >= -scores.bwt(result).value - 1e-9


def test_delta_agrees_with_a_plain_numpy_mean():
    random = np.random.default_rng(0)
    ours, base = random.uniform(1, 9, (2, 3, 2))
    expected = 100 * ((ours - base) / base).mean(axis=1).mean()
    found = scores.delta(finals(*ours.ravel(), metrics=2), finals(*base.ravel(), metrics=2))
    assert found.value == pytest.approx(expected)

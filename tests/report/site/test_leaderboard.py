"""Leaderboards of the site: numbers beside a slow reference, ranks, and what is missing."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as some

from benchmark.report.runs.grid import grids_of
from benchmark.report.site.captions import caption
from benchmark.report.site.charts import HEIGHT, WIDTH, chart, spark
from benchmark.report.site.leaderboard import Scored, board
from benchmark.report.site.numbers import decimals, text
from benchmark.scores import Matrix, delta, relative_forgetting, worst_task

ORDERS = {"rooms_s1": ("semantic", "depth", "normals"),
          "rooms_s2": ("normals", "depth", "semantic")}
LEFT_OUT = ("lwf", "rooms_s2", 1)


@pytest.fixture
def filled(maker):
    """Three seeds of the first order and two of the second, of all methods but one."""
    for method in ("finetune", "had", "lwf", "der", "joint"):
        for sequence, tasks in ORDERS.items():
            for seed in range(3 if sequence == "rooms_s1" else 2):
                if (method, sequence, seed) != LEFT_OUT:
                    maker.run(method, seed, sequence, tasks)
    return maker


def shown(maker, baseline="finetune"):
    return board(Scored(grids_of(maker.collection())[0]), baseline)


def mean_of_means(values):
    """`values` by (sequence, seed)."""
    sequences = {sequence for sequence, _ in values}
    return fmean(fmean(value for at, value in values.items() if at[0] == sequence)
                 for sequence in sequences)


@pytest.mark.parametrize("baseline", ["finetune", "joint"])
def test_cells_are_means_over_orders_of_means_over_seeds(filled, baseline):
    runs = {}
    for found in filled.made:
        at = found.record.sequence, found.record.seed
        runs.setdefault(found.record.method.name, {})[at] = Matrix.of(found.record)
    made = shown(filled, baseline)
    for row in (*made.complete, *made.incomplete):
        own = runs[row.line.label]
        for key, scores in {
                "delta": {at: delta(own[at], runs[baseline][at]) for at in own},
                "worst": {at: worst_task(own[at], runs[baseline][at]) for at in own},
                "forgetting": {at: relative_forgetting(own[at]) for at in own}}.items():
            expected = mean_of_means({at: score.value for at, score in scores.items()})
            assert row.cells[key].value == pytest.approx(expected), (row.line.label, key)
        depth = mean_of_means({at: own[at].final("depth", "abs") for at in own})
        assert row.cells["depth/abs"].value == pytest.approx(depth)


def test_ranks_are_for_methods_with_every_run(filled):
    made = shown(filled)
    gains = [row.gain for row in made.complete]
    assert gains == sorted(gains, reverse=True)
    assert [row.rank for row in made.complete] == [1, 2, 3]
    assert {row.line.label for row in made.complete} == {"finetune", "had", "der"}
    [lacking] = made.incomplete
    assert (lacking.line.label, lacking.rank, lacking.missing) == ("lwf", None, "rooms_s2 seed 1")
    assert [row.rank for row in made.bounds] == [None]
    assert "the 3 of 4 lifelong methods" in caption(made)[-1]


def test_only_ranked_cells_can_be_the_best(filled):
    made = shown(filled)
    for column in made.columns:
        best = [row for row in (*made.complete, *made.incomplete, *made.bounds)
                if row.cells[column.key].best]
        if column.higher_is_better is None:
            assert not best
            continue
        choose = max if column.higher_is_better else min
        values = [row.cells[column.key].value for row in made.complete]
        assert {row.cells[column.key].value for row in best} == {choose(values)}
        assert all(row in made.complete for row in best)


def test_an_interval_needs_two_seeds_of_an_order(filled, maker):
    made = shown(filled)
    for row in made.complete[:2]:
        cell = row.cells["delta"]
        assert cell.interval.low <= cell.value <= cell.interval.high
        assert cell.bounds.startswith("[")
    for method in ("finetune", "had"):
        maker.run(method, 0, "other_s1", ORDERS["rooms_s1"], epochs=3)
    alone = board(Scored(grids_of(maker.collection(), ["other*"])[0]), "finetune")
    assert all(not row.cells["delta"].bounds for row in alone.complete)
    assert any("there is no interval" in sentence for sentence in caption(alone))


def test_without_the_baseline_nothing_is_gained_or_ranked(filled):
    made = shown(filled, "separate")
    assert all(row.gain is None and row.rank is None for row in made.complete)
    assert any("lhlbench run --method separate" in sentence for sentence in caption(made))
    assert "Nothing is ranked" in caption(made)[-1]


def test_a_failed_run_is_a_missing_one(maker):
    for method in ("finetune", "had", "lwf"):
        for seed in (0, 1):
            maker.run(method, seed, failed="out of memory" if (method, seed) == ("had", 1) else "")
    made = shown(maker)
    assert [row.line.label for row in made.incomplete] == ["had"]
    assert made.incomplete[0].runs == 1


numbers = some.floats(-1e4, 1e4)


curve = some.lists(numbers | some.none(), min_size=3, max_size=3)


@given(some.lists(curve, min_size=1, max_size=4))
def test_curves_stay_within_their_chart(curves):
    drawn = chart("Δ", curves[1:], curves[0])
    known = [value for curve in curves for value in curve if value is not None]
    assert (drawn is None) == (not known)
    if drawn:
        points = [point for stroke in drawn.strokes for point in stroke.points]
        assert len(points) == len(known)
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


@given(some.lists(numbers, min_size=2, max_size=6))
def test_higher_values_are_drawn_higher(values):
    heights = [-y for _, y in spark(values).stroke.points]
    for (one, low), (other, high) in zip(zip(values, heights, strict=True),
                                         zip(values[1:], heights[1:], strict=True), strict=False):
        assert (one <= other) or low >= high
        assert (one >= other) or low <= high


@given(numbers)
def test_a_number_is_read_back_as_it_was(value):
    digits = decimals([value])
    read = float(text(value, digits).replace("\N{MINUS SIGN}", "-"))
    assert math.isclose(read, value, rel_tol=6e-4, abs_tol=1e-6)
    assert text(-0.0001, 2) == "0.00"

"""Statistics over paired runs, against slow and plain references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmark.errors import RequestError
from benchmark.statistics import (
    ALPHA,
    friedman,
    holm,
    interval,
    mean_of_means,
    probability_of_improvement,
    runs_needed,
    smallest_p,
    strata,
    wilcoxon,
)

anyhow = settings(deadline=None)
values = st.integers(-40, 40).map(lambda value: value / 8)
orders = st.dictionaries(st.sampled_from("abcd"), st.lists(values, min_size=1, max_size=5),
                         min_size=1)


# Intervals

def test_strata_are_the_seeds_of_each_order():
    runs = {("b_s1", 1): 4.0, ("a_s1", 2): 3.0, ("a_s1", 0): 1.0, ("b_s1", 0): 2.0}
    assert strata(runs) == {"a_s1": [1, 3], "b_s1": [2, 4]}


def test_orders_weigh_alike_however_many_seeds_they_have():
    assert mean_of_means({"a": [0, 0, 0, 0], "b": [6]}) == 3


def test_the_interval_is_that_of_all_draws_of_seeds_within_orders():
    groups = {"a": [1.0, 2.2, 4.5, 3.1], "b": [-3.0, 0.5, -0.9, 2.7]}
    means = [[np.mean(drawn) for drawn in itertools.product(each, repeat=4)]
             for each in groups.values()]
    every = np.add.outer(*means).ravel() / 2
    found = interval(groups, level=0.8, draws=50_000)
    assert (found.low, found.high) == pytest.approx(np.quantile(every, [0.1, 0.9]), abs=0.02)


def test_no_interval_where_nothing_varies_by_seed():
    assert interval({"a": [1.0], "b": [9.0]}) is None
    assert interval({}) is None
    fixed = interval({"a": [1.0], "b": [5.0, 5.0]})
    assert (fixed.low, fixed.high) == (3, 3)


@anyhow
@given(orders, st.randoms(use_true_random=False))
def test_listing_changes_no_interval(groups, random):
    listed = {order: random.sample(groups[order], len(groups[order]))
              for order in random.sample([*groups], len(groups))}
    assert interval(listed, draws=50) == interval(groups, draws=50)


@anyhow
@given(orders, values, st.sampled_from([-3.0, 0.5, 100.0]))
def test_intervals_move_and_stretch_with_their_values(groups, shift, factor):
    moved = {order: [shift + factor * value for value in each] for order, each in groups.items()}
    found, other = interval(groups, draws=50), interval(moved, draws=50)
    if found is None or factor < 0:  # mirrored draws are others
        assert (found is None) == (other is None)
        return
    assert (other.low, other.high) == pytest.approx((shift + factor * found.low,
                                                     shift + factor * found.high))


@anyhow
@given(orders)
def test_a_wider_level_holds_the_narrower(groups):
    wide, narrow = interval(groups, 0.99, 200), interval(groups, 0.5, 200)
    if wide is not None:
        assert wide.low <= narrow.low <= narrow.high <= wide.high


# Signed ranks

def by_counting(differences) -> float:
    """Two-sided p by trying every choice of signs."""
    ranks = stats.rankdata(np.abs(differences))
    moving = [rank for rank, value in zip(ranks, differences, strict=True) if value]
    seen = sum(rank for rank, value in zip(ranks, differences, strict=True) if value > 0)
    away = abs(seen - sum(moving) / 2)
    signed = [sum(itertools.compress(moving, chosen))
              for chosen in itertools.product((0, 1), repeat=len(moving))]
    return float(np.mean([abs(each - sum(moving) / 2) >= away - 1e-9 for each in signed]))


@anyhow
@given(st.lists(st.integers(-3, 3), max_size=8))
def test_signed_ranks_count_every_choice_of_signs_with_ties_and_zeros(differences):
    found = wilcoxon(differences)
    assert found.p == pytest.approx(by_counting(differences), abs=1e-12)
    assert found.n == np.count_nonzero(differences)
    assert found.p >= found.smallest_p


@pytest.mark.parametrize("n", [1, 4, 5, 6, 13, 40])
def test_signed_ranks_agree_with_scipy_where_it_is_exact(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    expected = stats.wilcoxon(differences, method="exact")
    found = wilcoxon(differences)
    assert (found.p, found.statistic) == pytest.approx((expected.pvalue, expected.statistic))


def test_ties_and_zeros_agree_with_scipy_by_permutation():
    differences = [0, 0, 1, -1, 1, 2, 2, -3, 4]
    expected = stats.wilcoxon(differences, zero_method="pratt",
                              method=stats.PermutationMethod(n_resamples=10**6))
    assert wilcoxon(differences).p == pytest.approx(expected.pvalue)


@anyhow
@given(st.lists(values, min_size=1, max_size=12), st.sampled_from([1e-3, 7.0, 4096.0]))
def test_p_knows_no_unit_and_no_side(differences, factor):
    expected = wilcoxon(differences)
    assert wilcoxon([-each for each in differences]) == expected
    assert wilcoxon([factor * each for each in differences]) == expected
    assert wilcoxon(differences[::-1]) == expected


def test_rounding_decides_no_rank():
    exact = [1, 2, 3, -1, 1, 2.5, 3, 4]
    for noise in np.random.default_rng(0).uniform(-1e-14, 1e-14, (20, 8)):
        assert wilcoxon(np.add(exact, noise)) == wilcoxon(exact)


def test_five_runs_can_never_reach_the_level_and_six_can():
    assert wilcoxon([1, 2, 3, 4, 5]).p == smallest_p(5) == 0.0625
    assert wilcoxon([1, 2, 3, 4, 5, 6]).p == smallest_p(6) == 0.03125
    assert wilcoxon([]).p == wilcoxon([0.0, 0.0]).p == 1


@pytest.mark.parametrize("tests", range(1, 40))
def test_runs_needed_are_the_fewest_that_can_pass_holm(tests):
    def reached(runs):
        return holm([smallest_p(runs)] * tests)[0] <= ALPHA
    assert reached(runs_needed(tests))
    assert not reached(runs_needed(tests) - 1)


def test_hundreds_of_runs_are_exact_enough():
    # The normal approximation is good by then.
    differences = np.random.default_rng(1).normal(0.1, 1, 500)
    expected = stats.wilcoxon(differences, method="approx", correction=True)
    assert wilcoxon(differences).p == pytest.approx(expected.pvalue, rel=0.01)


# Several tests

def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


@anyhow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.2))
def test_holm_rejects_what_stepping_down_rejects(ps, level):
    rejected, left = set(), sorted(range(len(ps)), key=lambda index: ps[index])
    while left and ps[left[0]] * len(left) <= level:
        rejected.add(left.pop(0))
    adjusted = holm(ps)
    assert {index for index, p in enumerate(adjusted) if p <= level} == rejected
    assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))


def test_improvement_counts_ties_half():
    assert probability_of_improvement([1.0, -2.0, 0.0, 3.0]) == 0.625
    assert probability_of_improvement([-1.0]) == 0


# Many methods

def table(methods, runs, apart, seed=0):
    """Scores of methods whose means lie `apart` standard deviations from one another."""
    random = np.random.default_rng(seed)
    return {f"m{index}": list(random.normal(apart * index, 1, runs)) for index in range(methods)}


@pytest.mark.parametrize(("methods", "runs", "step"), [(3, 20, 0), (5, 18, 0), (5, 18, 3)])
def test_friedman_agrees_with_scipy_with_and_without_ties(methods, runs, step):
    scores = table(methods, runs, 0.4)
    if step:
        scores = {name: list(np.round(each)) for name, each in scores.items()}
    expected = stats.friedmanchisquare(*scores.values())
    found = friedman(scores)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    ranks = stats.rankdata(-np.array([*scores.values()]), axis=0).mean(axis=1)
    assert found.ranks == pytest.approx(dict(zip(scores, ranks, strict=True)))
    assert list(found.ranks.values()) == sorted(ranks)


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_the_published_quantiles(methods, q):
    # Demsar 2006, table 5a
    found = friedman(table(methods, 60, 1))
    assert found.critical_difference == pytest.approx(
        q * (methods * (methods + 1) / (6 * 60)) ** 0.5, rel=1e-3)


@anyhow
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 4), min_size=20, max_size=24))
def test_groups_hold_exactly_the_neighbours_within_the_critical_difference(runs):
    scores = {name: list(each) for name, each in zip("abcd", zip(*runs, strict=True), strict=True)}
    found = friedman(scores)
    together = {pair for group in found.groups for pair in itertools.combinations(group, 2)}
    if found.p > ALPHA:
        assert found.groups == (tuple(found.ranks),)
        return
    assert together == {(one, other) for one, other in itertools.combinations(found.ranks, 2)
                        if found.ranks[other] - found.ranks[one] <= found.critical_difference}
    for one, other in itertools.permutations(found.groups, 2):
        assert not set(one) <= set(other)


def test_ranks_far_apart_are_no_finding_where_friedman_finds_none():
    random = np.random.default_rng(35)
    scores = {f"m{index}": random.normal({0: 0.45, 1: -0.45}.get(index, 0), 1, 30)
              for index in range(10)}
    found = friedman(scores)
    first, *_, last = found.ranks.values()
    assert last - first > found.critical_difference
    assert found.p > ALPHA
    assert found.groups == (tuple(found.ranks),)


def test_methods_that_never_differ_are_one_group():
    found = friedman({name: [1.0] * 12 for name in "abc"})
    assert found.p == 1
    assert found.groups == (("a", "b", "c"),)


def test_holes_are_not_ranked():
    with pytest.raises(RequestError, match="missing of b"):
        friedman({"a": [1, 2, 3], "b": [1, 2]})
    with pytest.raises(RequestError, match="missing of c"):
        friedman({"a": [1, 2], "b": [1, 2], "c": [1, float("nan")]})
    with pytest.raises(RequestError, match="two methods"):
        friedman({"a": [1, 2, 3]})
    with pytest.raises(RequestError, match="missing"):
        friedman({"a": [], "b": []})


@pytest.mark.parametrize("methods", [2, 4, 9])
def test_too_few_runs_are_refused_and_the_number_that_would_do_does(methods):
    with pytest.raises(RequestError, match="runs of each would do") as refused:
        friedman(table(methods, 3, 5))
    enough = int(str(refused.value).rsplit(";")[1].split()[0])
    assert friedman(table(methods, enough, 5)).critical_difference <= (methods - 1) / 2
    with pytest.raises(RequestError, match="would do"):
        friedman(table(methods, enough - 1, 5))

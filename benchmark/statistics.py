"""Statistics over runs: intervals, paired tests and ranks, defined in docs/statistics.md.

Runs are paired across methods by order of tasks and seed; what comes in is one value, or one
difference, per run. Orders are fixed strata: all of them belong to the question, seeds are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.errors import RequestError

ALPHA = 0.05
"""The level of every test."""

Strata = Mapping[str, Sequence[float]]
"""Order of tasks -> one value per seed."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval, in the unit of its values."""

    low: float
    high: float


@dataclass(frozen=True)
class Wilcoxon:
    """An exact two-sided signed-rank test of paired differences."""

    n: int
    """Differences other than 0: only these have a sign to speak of."""
    statistic: float
    """The smaller of the rank sums of positive and of negative differences."""
    p: float
    smallest_p: float
    """What p would be if all `n` differences had the same sign."""


@dataclass(frozen=True)
class Friedman:
    """Methods ranked over the same runs, and which of them the ranks tell apart."""

    ranks: dict[str, float]
    """Mean rank by method, 1 is best, best first."""
    statistic: float
    p: float
    critical_difference: float
    """Mean ranks further apart than this differ at `ALPHA` (Nemenyi 1963)."""
    groups: tuple[tuple[str, ...], ...]
    """Largest sets of two or more neighbours that are not told apart."""


def strata(values: Mapping[tuple[str, int], float]) -> dict[str, list[float]]:
    """Values by (order, seed) as lists by order, seeds ascending."""
    found: dict[str, list[float]] = {}
    for (order, _), value in sorted(values.items(), key=lambda item: item[0]):
        found.setdefault(order, []).append(value)
    return found


def mean_of_means(values: Strata) -> float:
    """The mean over orders of the mean over seeds."""
    return math.fsum(math.fsum(each) / len(each) for each in values.values()) / len(values)


def interval(values: Strata, level: float = 0.95, draws: int = 2000,
             seed: int = 0) -> Interval | None:
    """Percentile bootstrap interval of `mean_of_means`, seeds drawn anew within each order.

    The same values give the same interval, however they are listed. None when no order has two
    seeds: nothing is known then of how runs vary (Efron and Tibshirani 1993, chapter 13).
    """
    if all(len(each) < 2 for each in values.values()):
        return None
    random = np.random.default_rng(seed)
    means = np.zeros(draws)
    for order in sorted(values):
        each = np.sort(np.asarray(values[order], dtype=float))
        means += random.choice(each, (draws, len(each))).mean(axis=1) / len(values)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def wilcoxon(differences: Sequence[float]) -> Wilcoxon:
    """Exact signed-rank test of whether differences lie symmetrically about 0 (Wilcoxon 1945).

    Sizes are ranked with ties averaged, differences of 0 among them, and 0 then has no say
    (Pratt 1959). p is the share of all 2^n choices of signs whose rank sum is as small or smaller
    on either side, so that ties need no correction. Sizes that agree to nine digits of the largest
    are ties: how numbers were rounded must not decide.
    """
    from scipy.stats import rankdata

    given = np.asarray(differences, dtype=float)
    if given.any():
        given = np.round(given / np.abs(given).max(), 9)
    doubled = np.rint(2 * rankdata(np.abs(given)))[given != 0].astype(int)
    positive = int(doubled[given[given != 0] > 0].sum())
    smaller = min(positive, int(doubled.sum()) - positive)
    # Adding ranks one by one: share[s] of the signs so far have a doubled rank sum of s.
    share = np.zeros(int(doubled.sum()) + 1)
    share[0] = 1
    for rank in doubled:
        share /= 2
        share[rank:] += share[:-rank]
    n = len(doubled)
    return Wilcoxon(n, smaller / 2, min(1.0, 2 * float(share[:smaller + 1].sum())), smallest_p(n))


def smallest_p(n: int) -> float:
    """The smallest two-sided p that `n` paired runs can reach: .0625 for five."""
    return min(1.0, 2.0 ** (1 - n))


def runs_needed(tests: int = 1) -> int:
    """Paired runs with which the first of `tests` tests can reach `ALPHA` after `holm`."""
    return 1 + math.ceil(math.log2(tests / ALPHA))


def holm(ps: Sequence[float]) -> list[float]:
    """p values adjusted for being several, in the order given (Holm 1979)."""
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = highest
    return adjusted


def probability_of_improvement(differences: Sequence[float]) -> float:
    """Share of paired runs, at least one, with a positive difference; one of 0 counts half."""
    return sum((each > 0) + (each == 0) / 2 for each in differences) / len(differences)


def friedman(scores: Mapping[str, Sequence[float]]) -> Friedman:
    """Friedman's test, and the Nemenyi critical difference, of scores that are better when higher.

    `scores[method]` has one value per run, the same runs for each method (Demsar 2006). Raises
    `RequestError` when a value is missing (shorter, or NaN), and when the critical difference
    exceeds half the range that mean ranks can span, so that hardly anything could be told apart.
    """
    from scipy.stats import chi2, rankdata

    runs, methods = _complete(scores), len(scores)
    critical = _critical_difference(methods, runs)
    ranks = rankdata(-np.array(list(scores.values()), dtype=float), axis=0)
    means = dict(sorted(zip(scores, map(float, ranks.mean(axis=1)), strict=True),
                        key=lambda item: item[1]))
    between = runs * ((ranks.mean(axis=1) - (methods + 1) / 2) ** 2).sum()
    within = ((ranks - (methods + 1) / 2) ** 2).sum() / (runs * (methods - 1))  # ties lower it
    statistic = float(between / within) if within else 0.0
    p = float(chi2.sf(statistic, methods - 1))
    groups = _alike(means, critical) if p <= ALPHA else (tuple(means),)
    return Friedman(means, statistic, p, critical, groups)


def _complete(scores: Mapping[str, Sequence[float]]) -> int:
    """The number of runs, the same for every method and with nothing missing."""
    if len(scores) < 2:
        raise RequestError("ranks need two methods or more")
    runs = max(len(values) for values in scores.values())
    lacking = [name for name, values in scores.items()
               if len(values) < runs or any(math.isnan(value) for value in values)]
    if lacking or not runs:
        raise RequestError(f"ranks need every method at every one of {runs} runs; runs are "
                           f"missing of {', '.join(lacking or scores)}")
    return runs


def _critical_difference(methods: int, runs: int) -> float:
    from scipy.stats import studentized_range

    spread = studentized_range.ppf(1 - ALPHA, methods, np.inf) / math.sqrt(2)
    of_one_run = float(spread) * math.sqrt(methods * (methods + 1) / 6)
    critical, half = of_one_run / math.sqrt(runs), (methods - 1) / 2
    if critical > half:
        raise RequestError(
            f"{runs} {'run' if runs == 1 else 'runs'} of {methods} methods tell hardly any apart: "
            f"mean ranks must differ by {critical:.2f} (Nemenyi), more than half their range of "
            f"{methods - 1}; {math.ceil((of_one_run / half) ** 2)} runs of each would do")
    return critical


def _alike(ranks: Mapping[str, float], critical: float) -> tuple[tuple[str, ...], ...]:
    """Largest sets of neighbours, best first, whose mean ranks lie within `critical`."""
    names, found, reached = list(ranks), [], 0
    for first, name in enumerate(names):
        end = max(index for index, other in enumerate(names)
                  if ranks[other] - ranks[name] <= critical) + 1
        if end > max(reached, first + 1):
            found.append(tuple(names[first:end]))
        reached = max(reached, end)
    return tuple(found)

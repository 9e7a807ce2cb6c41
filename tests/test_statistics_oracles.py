"""Statistics over runs against scipy and scikit-posthocs, on the same scores."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats

from benchmark.statistics import ALPHA, friedman, holm, interval, wilcoxon


def scores_of(methods: int, runs: int, apart: float, seed: int) -> dict[str, list[float]]:
    """Scores of methods whose means lie `apart` standard deviations from one another."""
    random = np.random.default_rng(seed)
    return {f"m{index}": random.normal(apart * index, 1, runs).tolist()
            for index in range(methods)}


@pytest.mark.parametrize(("methods", "runs"), [(3, 12), (4, 20), (6, 30)])
@pytest.mark.parametrize("seed", range(4))
def test_the_critical_difference_parts_what_nemenyi_parts(methods: int, runs: int,
                                                          seed: int) -> None:
    scores = scores_of(methods, runs, 0.5, seed)
    found = friedman(scores)
    p = scikit_posthocs.posthoc_nemenyi_friedman(pd.DataFrame(scores))
    for one, other in itertools.combinations(scores, 2):
        apart = abs(found.ranks[one] - found.ranks[other]) > found.critical_difference
        assert apart == (p.loc[one, other] < ALPHA), (one, other)
    expected = stats.friedmanchisquare(*scores.values())
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.parametrize("seed", range(4))
def test_pairs_by_signed_ranks_with_holm(seed: int) -> None:
    scores = scores_of(4, 15, 0.3, seed)
    p = scikit_posthocs.posthoc_wilcoxon([*scores.values()], p_adjust="holm")
    pairs = [*itertools.combinations(range(4), 2)]
    own = holm([wilcoxon(np.subtract(scores[f"m{one}"], scores[f"m{other}"]).tolist()).p
                for one, other in pairs])
    assert own == pytest.approx([p.iloc[one, other] for one, other in pairs])


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_of_one_order_is_the_percentile_bootstrap(seed: int) -> None:
    values = np.random.default_rng(seed).normal(10, 2, 9)
    expected = stats.bootstrap([values], np.mean, n_resamples=40_000,
                               method="percentile").confidence_interval
    found = interval({"a_s1": values.tolist()}, draws=40_000)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.08)

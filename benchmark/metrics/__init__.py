"""Metrics: pure numpy, from sufficient statistics per image to named values.

The kinds in `benchmark.tasks` count on the device; this package says what they count and derives
the values, so that one run can be scored again under every published convention.
"""

from benchmark.metrics.convention import Convention
from benchmark.metrics.lookup import check, metrics_of, statistics_of, values_of
from benchmark.metrics.metric import Metric, Statistic, Statistics

__all__ = ["Convention", "Metric", "Statistic", "Statistics", "check", "metrics_of",
           "statistics_of", "values_of"]

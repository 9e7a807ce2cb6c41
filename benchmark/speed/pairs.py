"""Two ways to do the same work, timed in turns: what a busy machine does to both cancels."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pairs:
    """Seconds of two ways, the i-th of both measured one after the other."""

    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Seconds of the first way over those of the second, pair by pair."""
        return tuple(first / second for first, second in zip(self.first, self.second, strict=True))

    @property
    def medians(self) -> tuple[float, float]:
        """Median seconds of either way."""
        return statistics.median(self.first), statistics.median(self.second)

    @property
    def ratio(self) -> float:
        """Median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the ratios."""
        return quartiles(self.ratios)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """First and third quartile; of a single value, that value twice."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def measure_pairs(first: Callable[[], float], second: Callable[[], float], pairs: int,
                  warm_up: int = 0) -> Pairs:
    """Do the work of both ways `pairs` times in turns, after `warm_up` turns that do not count;
    each way returns its seconds, and begins every other pair."""
    found = []
    for turn in range(-warm_up, pairs):
        one, other = (first, second) if turn % 2 == 0 else (second, first)
        seconds = one(), other()
        if turn >= 0:
            found.append(seconds if turn % 2 == 0 else seconds[::-1])
    return Pairs(tuple(pair[0] for pair in found), tuple(pair[1] for pair in found))

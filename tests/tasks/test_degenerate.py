"""Degenerate predictions: of length zero, tiny, huge, not finite."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of
from benchmark.tasks.metric_values import values_of

NORMAL = Task(name="normal", kind="direction", channels=3)


def directions(seed: int = 0) -> torch.Tensor:
    """Random unit vectors [2, 3, 6, 8] in double precision."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(2, 3, 6, 8, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(raw, dim=1)


def values(raw: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
    found = kind_of(NORMAL).statistics(raw, target)
    return values_of(NORMAL, {name: value.numpy() for name, value in found.items()})


def test_a_direction_of_length_zero_is_perpendicular_to_every_truth() -> None:
    found = values(torch.zeros(2, 3, 6, 8), directions().float())
    assert found["mean"] == 90
    assert found["median"] == pytest.approx(90, abs=0.5)
    assert found["within_30"] == 0


@pytest.mark.parametrize(("dtype", "length"), [
    (torch.float64, 1e-320), (torch.float64, 1e-300), (torch.float64, 1e-170),
    (torch.float64, 1e-90), (torch.float64, 1e90), (torch.float64, 1e200), (torch.float64, 1e307),
    (torch.float32, 1e-41), (torch.float32, 1e-30), (torch.float32, 1e38)])
def test_the_length_of_a_direction_does_not_matter(dtype: torch.dtype, length: float) -> None:
    truth, guess = directions(1), directions(2)
    found = kind_of(NORMAL).statistics((guess * length).to(dtype), truth)
    cosines = (truth * guess).sum(1).numpy()
    expected = np.rad2deg(np.arccos(cosines)).sum((1, 2))
    # A denormal number has few digits.
    few = 0.02 if length < 1e-300 or (dtype is torch.float32 and length < 1e-38) else 1e-6
    assert found["angle"].numpy() == pytest.approx(expected, rel=few)

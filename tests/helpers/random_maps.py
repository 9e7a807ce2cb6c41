"""Random maps, and numeric gradients, for the tests of losses."""

from __future__ import annotations

import numpy as np
import torch

K, DELTA = 0.9, 0.5
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def losses(seed, *shape):
    return np.random.default_rng(seed).uniform(0.05, 2.0, shape)


def tensor(array, grad=False):
    return torch.tensor(np.asarray(array, dtype=float), dtype=torch.float64, requires_grad=grad)


def numeric_gradient(function, at, step=1e-6):
    """Central differences of a scalar function of an array."""
    result = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[index] += step
        down[index] -= step
        result[index] = (function(up) - function(down)) / (2 * step)
    return result

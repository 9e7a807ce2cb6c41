"""LwP: distances between features against loops, and which labels are alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of
from methods.lwp import distance_error
from tests.helpers.phases import after_first_phase, steps

SMALL = ("recipe.head_channels=8",)


def kind(name, channels):
    return kind_of(Task(name="task", kind=name, channels=channels))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 7), scale=st.sampled_from([1.0, 50.0]))
def test_the_term_is_the_papers_sum_over_pairs(seed, count, scale):
    generator = np.random.default_rng(seed)
    features, teacher = scale * generator.standard_normal((2, count, 3))
    alike = generator.random((count, count)) < 0.5
    target = [[((teacher[i] - teacher[j]) ** 2).sum() for j in range(count)] for i in range(count)]
    mean = np.mean(target)
    expected = sum(alike[i, j] * ((((features[i] - features[j]) ** 2).sum() - target[i][j])
                                  / mean) ** 2
                   for i in range(count) for j in range(count)) / count**2
    arguments = [*map(torch.as_tensor, (features, teacher, alike))]
    found = distance_error(*arguments, torch.ones(count, dtype=torch.bool))
    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    more = [torch.cat([each, torch.full((2, 3), 9.0)]) for each in arguments[:2]]
    everything = torch.ones(count + 2, count + 2, dtype=torch.bool)
    everything[:count, :count] = arguments[2]
    found = distance_error(*more, everything, torch.arange(count + 2) < count)
    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_classes_are_alike_if_they_are_the_same():
    for name, channels in (("segmentation", 4), ("binary", 1)):
        found = kind(name, channels).alike(torch.tensor([1, 0, 1], dtype=torch.uint8))
        assert found.tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def test_values_are_alike_in_the_same_tenth_of_the_range():
    """From 2 to 12 the tenths are [2, 3), [3, 4), ..., [11, 12]."""
    found = kind("regression", 1).alike(torch.tensor([[2.0], [2.9], [3.1], [11.5], [12.0]]))
    assert found.int().tolist() == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0],
                                    [0, 0, 0, 1, 1], [0, 0, 0, 1, 1]]
    assert kind("regression", 1).alike(torch.full((3, 1), 4.0)).all()
    two = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert kind("regression", 2).alike(two).int().tolist() == torch.eye(3).int().tolist()


def test_directions_are_alike_below_22_degrees_and_a_half():
    angles = [math.radians(angle) for angle in (0, 22, 45)]
    vectors = torch.tensor([[math.cos(angle), math.sin(angle), 0] for angle in angles])
    assert kind("direction", 3).alike(3 * vectors).int().tolist() == [[1, 1, 0], [1, 1, 0],
                                                                      [0, 0, 1]]


def test_the_distances_are_kept_where_labels_agree_and_alone(cache):
    """Zero while the network is its teacher; else a gradient on the backbone and on no head."""
    learner, phase = after_first_phase("lwp", cache, weight=0.0, cells=10**6, settings=SMALL)
    learner.begin_phase(phase)
    step = steps(phase)[0]
    terms = learner.loss(step)
    assert terms.keys() == {"normal/new", "normal/distances"}
    gradients = torch.autograd.grad(terms["normal/distances"], list(phase.network.parameters()),
                                    allow_unused=True)
    touched = {name.split(".")[0] for (name, _), gradient
               in zip(phase.network.named_parameters(), gradients, strict=True)
               if gradient is not None}
    assert touched == {"backbone"}

    size = step.features.shape[-2:]
    target = kind("direction", 3).resize(step.batch.targets["normal"], tuple(size))
    valid = kind("direction", 3).valid(target).flatten().numpy()
    rows = [maps.detach().movedim(1, -1).flatten(0, 2).double()[valid]
            for maps in (step.features, learner.teacher.features(step), target)]
    alike = rows[2] @ rows[2].mT > math.cos(math.radians(22.5))
    expected = 0.05 * float(distance_error(rows[0], rows[1], alike,
                                           torch.ones(len(alike), dtype=torch.bool)))
    assert float(terms["normal/distances"].detach()) == pytest.approx(expected, rel=1e-3)

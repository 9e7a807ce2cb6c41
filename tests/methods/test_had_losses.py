"""HAD's losses, as the paper states them, against slow references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of
from methods import had
from tests.helpers import oracles
from tests.helpers.random_maps import DELTA, TIGHT, K, losses, numeric_gradient, random, tensor

MEANS = ("geometric", "arithmetic")
MAPS = hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)


def balanced(loss, groups, count, mean):
    value = had.balanced(tensor(loss), torch.as_tensor(groups), count, mean)
    assert value.shape == (len(loss),)
    return value.numpy()


def salient(loss, threshold):
    value = had.salient(tensor(loss), threshold)
    assert value.shape == (len(loss),)
    return value.numpy()


# The paper: balanced ---------------------------------------------------------------------------

LAYOUTS = {
    "one group": np.zeros((2, 4, 5), dtype=int),
    "halves": np.tile(np.arange(4)[:, None] // 2, (2, 1, 5)),
    "every pixel its own": np.tile(np.arange(20).reshape(4, 5), (2, 1, 1)),
    "one pixel against the rest": np.tile(np.arange(20).reshape(4, 5) == 7, (2, 1, 1)).astype(int),
    "images differ": np.stack([np.full((4, 5), 2), np.arange(20).reshape(4, 5) % 3]),
    "random": np.random.default_rng(0).integers(0, 6, (2, 4, 5)),
}


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_balanced_matches_the_loops(layout, mean):
    groups, loss = LAYOUTS[layout], losses(1, 2, 4, 5)
    for count in (groups.max() + 1, groups.max() + 4):  # with and without empty groups at the end
        count = int(count)
        expected = oracles.balanced(loss, groups, count, mean)
        np.testing.assert_allclose(balanced(loss, groups, count, mean), expected, **TIGHT)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=MAPS, count=st.integers(1, 7), mean=st.sampled_from(MEANS))
def test_balanced_matches_the_loops_on_any_map(data, shape, count, mean):
    loss = data.draw(hnp.arrays(float, shape, elements=st.floats(0, 100)))
    groups = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(0, count - 1)))
    np.testing.assert_allclose(balanced(loss, groups, count, mean),
                               oracles.balanced(loss, groups, count, mean), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mean", MEANS)
def test_an_empty_group_changes_nothing(mean):
    loss, groups = losses(2, 1, 3, 4), np.arange(12).reshape(1, 3, 4) % 3
    renumbered = np.where(groups == 2, 5, groups)  # groups 2, 3 and 4 are empty
    np.testing.assert_allclose(balanced(loss, renumbered, 9, mean), balanced(loss, groups, 3, mean),
                               **TIGHT)


@pytest.mark.parametrize("mean", MEANS)
def test_each_group_weighs_the_same_whatever_its_size(mean):
    loss = np.array([[[3.0, 1.0, 1.0, 1.0, 1.0, 1.0]]])
    groups = np.array([[[0, 1, 1, 1, 1, 1]]])
    np.testing.assert_allclose(balanced(loss, groups, 2, mean), [2.0], **TIGHT)


@pytest.mark.parametrize("mean", MEANS)
def test_balanced_of_a_flat_map_is_its_value(mean):
    groups = LAYOUTS["random"]
    np.testing.assert_allclose(balanced(np.full((2, 4, 5), 0.3), groups, 6, mean), 0.3, **TIGHT)


def test_exact_zeros_are_floored_in_the_geometric_mean_only():
    loss, groups = np.array([[[0.0, 4.0], [1.0, 0.0]]]), np.zeros((1, 2, 2), dtype=int)
    assert had.FLOOR == oracles.FLOOR
    least = had.FLOOR * 1.25
    floored = (least**2 * 4.0) ** 0.25
    np.testing.assert_allclose(balanced(loss, groups, 1, "geometric"), [floored], **TIGHT)
    np.testing.assert_allclose(balanced(loss, groups, 1, "arithmetic"), [1.25], **TIGHT)


def test_exact_zeros_give_finite_gradients():
    loss = tensor(np.zeros((2, 3, 3)), grad=True)
    groups = torch.zeros(2, 3, 3, dtype=torch.long)
    (had.balanced(loss, groups, 2, "geometric") + had.salient(loss, K)).sum().backward()
    assert torch.isfinite(loss.grad).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=MAPS, count=st.integers(1, 5))
def test_geometric_is_at_most_arithmetic(data, shape, count):
    loss = data.draw(hnp.arrays(float, shape, elements=st.floats(1e-4, 100)))
    groups = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(0, count - 1)))
    geometric, arithmetic = (balanced(loss, groups, count, mean) for mean in MEANS)
    floor = had.FLOOR * loss.mean((1, 2))
    assert (geometric <= (arithmetic + floor) * (1 + 1e-12)).all()


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_of_balanced(layout, mean):
    groups, loss = LAYOUTS[layout], losses(3, 2, 4, 5)
    at = tensor(loss, grad=True)
    had.balanced(at, torch.as_tensor(groups), 21, mean).sum().backward()
    numeric = numeric_gradient(lambda x: oracles.balanced(x, groups, 21, mean).sum(), loss)
    np.testing.assert_allclose(at.grad.numpy(), numeric, rtol=1e-6, atol=1e-8)


# The paper: salient ----------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", (0.0, 0.3, 0.5, 0.9))
@pytest.mark.parametrize(
    "shape", ((1, 1, 1), (1, 1, 7), (1, 7, 1), (1, 2, 2), (3, 6, 5), (2, 9, 12)))
def test_salient_matches_the_loops(shape, threshold):
    for seed in range(5):
        loss = losses(seed, *shape)
        np.testing.assert_allclose(salient(loss, threshold), oracles.salient(loss, threshold),
                                   **TIGHT)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=MAPS, threshold=st.floats(0.05, 0.95))
def test_salient_matches_the_loops_on_any_map(data, shape, threshold):
    # Small integers make gradients exact, so flat is flat and a tie is a tie in both.
    loss = data.draw(hnp.arrays(float, shape, elements=st.integers(0, 4).map(float)))
    assume(oracles.distance_to_threshold(loss, threshold) > 1e-9)
    np.testing.assert_allclose(salient(loss, threshold), oracles.salient(loss, threshold), **TIGHT)


@pytest.mark.parametrize("value", (0.0, 0.1, 1 / 3, 0.7, 1.0, 2.3, 1e-8, 1e8))
def test_a_flat_map_has_no_salient_pixel(value):
    loss = tensor(np.full((2, 9, 11), value), grad=True)
    result = had.salient(loss, K)
    result.sum().backward()
    assert result.tolist() == [0.0, 0.0]
    assert (loss.grad == 0).all()


def test_a_flat_image_leaves_the_others_alone():
    loss = losses(4, 3, 5, 6)
    loss[1] = 0.1
    together = salient(loss, K)
    alone = np.concatenate([salient(loss[i:i + 1], K) for i in range(3)])
    np.testing.assert_allclose(together, alone, **TIGHT)
    assert together[1] == 0.0


def test_the_threshold_is_strict():
    loss = losses(5, 2, 4, 4)  # the strongest pixel is at exactly 1
    assert salient(loss, 1.0).tolist() == [0.0, 0.0]


def test_salient_finds_an_edge_and_no_border():
    loss = np.full((1, 6, 8), 1.0)
    loss[:, :, 4:] = 3.0  # columns 3 and 4 touch the edge, half of them on each side
    np.testing.assert_allclose(salient(loss, K), [2.0], **TIGHT)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(0.5, 1000.0))
def test_both_terms_scale_with_the_loss(seed, factor):
    loss, groups = losses(seed, 2, 4, 5), LAYOUTS["random"]
    assume(oracles.distance_to_threshold(loss, K) > 1e-9)
    for mean in MEANS:
        np.testing.assert_allclose(balanced(loss * factor, groups, 6, mean),
                                   balanced(loss, groups, 6, mean) * factor, rtol=1e-9)
    np.testing.assert_allclose(salient(loss * factor, K), salient(loss, K) * factor, rtol=1e-9)


@pytest.mark.parametrize("threshold", (0.3, 0.9))
def test_gradient_of_salient_does_not_flow_through_the_selection(threshold):
    loss = losses(6, 2, 5, 4)
    assert oracles.distance_to_threshold(loss, threshold) > 1e-4  # no pixel changes sides below
    at = tensor(loss, grad=True)
    had.salient(at, threshold).sum().backward()
    numeric = numeric_gradient(lambda x: oracles.salient(x, threshold).sum(), loss)
    np.testing.assert_allclose(at.grad.numpy(), numeric, rtol=1e-6, atol=1e-8)
    for image, grad in zip(loss, at.grad.numpy(), strict=True):
        chosen = oracles.salient_pixels(image, threshold, "replicate")
        expected = np.zeros(image.shape)
        for pixel in chosen:
            expected[pixel] = 1 / len(chosen)
        np.testing.assert_allclose(grad, expected, **TIGHT)


# The paper: the whole term ---------------------------------------------------------------------


@pytest.mark.parametrize("terms", ([0.7], [0.7, 0.2], [0.7, 0.2, 1.5, 0.0]))
def test_old_tasks_share_half_the_weight(terms):
    value = had.HAD(had.HAD.Config(weight=3.0)).share(len(terms)) * sum(terms)
    assert value == pytest.approx(oracles.combine(terms, 3.0), rel=1e-12)
    assert value == pytest.approx(1.5 * np.mean(terms), rel=1e-12)


SEMANTIC = Task(name="semantic", kind="segmentation", channels=5)
SHADING = Task(name="shading", kind="regression", channels=2)
NORMAL = Task(name="normal", kind="direction", channels=3)
EDGE = Task(name="edge", kind="binary", channels=1)


def term(task, student, teacher, **settings):
    """What `had` adds for one old task, before the weight."""
    method, kind, target = had.HAD(had.HAD.Config(**settings)), kind_of(task), tensor(teacher)
    if method.config.targets == "hard":
        target = kind.pseudo_label(target)
    return method.old_loss(task, kind, tensor(student), target).item()


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("bins", (None, 2, 5, 15))
def test_a_regression_term(bins, mean):
    student, teacher = random(7, 3, 2, 5, 6), random(8, 3, 2, 5, 6)
    teacher[1] = 4.0  # a flat teacher is one group
    loss = oracles.l1_map(student, teacher)
    groups = (oracles.threshold_groups(teacher, DELTA) if bins is None
              else oracles.bin_groups(teacher, bins))
    assert set(groups[1].flat) == {0}
    expected = oracles.had_term(loss, groups, bins or 2, K, mean)
    assert term(SHADING, student, teacher, group_bins=bins, mean=mean) == pytest.approx(
        expected, rel=1e-10)


@pytest.mark.parametrize("threshold", (0.2, 0.5))
def test_a_direction_term(threshold):
    student, teacher = random(20, 2, 3, 5, 6), random(21, 2, 3, 5, 6)
    units = teacher / np.linalg.norm(teacher, axis=1, keepdims=True)
    own = student / np.linalg.norm(student, axis=1, keepdims=True)
    groups = oracles.threshold_groups(units, threshold)
    expected = oracles.had_term(1 - (own * units).sum(1), groups, 2, K)
    assert term(NORMAL, student, teacher, group_threshold=threshold) == pytest.approx(
        expected, rel=1e-10)


def test_a_segmentation_term():
    student, teacher = random(9, 3, 5, 6, 4), random(10, 3, 5, 6, 4)
    teacher[:, 3] = -9.0  # class 3 never occurs
    loss, groups = oracles.hard_label_map(student, teacher), oracles.class_groups(teacher)
    assert 3 not in groups
    expected = oracles.had_term(loss, groups, 5, K)
    assert term(SEMANTIC, student, teacher) == pytest.approx(expected, rel=1e-10)


def test_a_binary_term_has_two_classes():
    student, teacher = random(22, 2, 1, 5, 6), random(23, 2, 1, 5, 6)
    hard = teacher[:, 0] > 0
    loss = np.log1p(np.exp(np.where(hard, -student[:, 0], student[:, 0])))
    expected = oracles.had_term(loss, hard.astype(int), 2, K)
    assert term(EDGE, student, teacher) == pytest.approx(expected, rel=1e-10)


def test_ablations_leave_a_term_out():
    student, teacher = random(9, 3, 5, 6, 4), random(10, 3, 5, 6, 4)
    both = term(SEMANTIC, student, teacher)
    parts = [term(SEMANTIC, student, teacher, **{part: False}) for part in ("balanced", "salient")]
    assert both == pytest.approx(sum(parts), rel=1e-12)
    assert term(SEMANTIC, student, teacher, balanced=False, salient=False) == 0

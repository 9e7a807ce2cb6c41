"""The released code's losses against a literal transcription, and compared with the paper's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of
from methods import had_released
from tests.helpers import oracles
from tests.helpers.random_maps import DELTA, K, losses, numeric_gradient, random, tensor

# The released code -----------------------------------------------------------------------------


def segmentation_cases():
    for batch, classes, height, width in ((1, 4, 6, 5), (3, 5, 7, 6), (2, 13, 4, 4)):
        shape = batch, classes, height, width
        yield f"random {shape}", random(batch, *shape), random(batch + 50, *shape)
    student, teacher = random(11, 3, 5, 6, 7), random(12, 3, 5, 6, 7)
    teacher[:, 2] = -20.0
    yield "class 2 absent", student, teacher
    sure = np.where(np.arange(5)[None, :, None, None] == 1, 800.0, 0.0) + np.zeros((2, 5, 6, 6))
    yield "one class, loss exactly zero everywhere", sure, sure
    student, teacher = random(13, 2, 4, 6, 6), random(14, 2, 4, 6, 6)
    student[:, :, :, 3:] = np.array([0.0, 900.0, 0.0, 0.0])[None, :, None, None]
    teacher[:, :, :, 3:] = np.array([0.0, 9.0, 0.0, 0.0])[None, :, None, None]
    yield "exact zeros and others", student, teacher
    student, teacher = student.copy(), teacher.copy()
    student[1] = np.array([0.0, 900.0, 0.0, 0.0])[:, None, None]
    teacher[1] = np.array([0.0, 9.0, 0.0, 0.0])[:, None, None]
    yield "the second image flat at zero", student, teacher
    yield "one pixel", random(15, 2, 3, 1, 1)[:1], random(16, 2, 3, 1, 1)[:1]


def depth_cases():
    for batch, height, width in ((1, 6, 5), (3, 7, 6), (4, 5, 9)):
        shape = batch, 1, height, width
        yield f"random {shape}", random(batch, *shape), random(batch + 50, *shape)
    yield "metres, all above delta", 2 + losses(20, 3, 1, 6, 6), 2 + losses(21, 3, 1, 6, 6)
    yield "all below delta", -losses(22, 3, 1, 6, 6), losses(23, 3, 1, 6, 6)
    yield "all at delta", np.full((2, 1, 6, 6), DELTA), losses(24, 2, 1, 6, 6)
    same = losses(25, 3, 1, 6, 6)
    yield "student equals teacher", same, same
    student, teacher = random(26, 3, 1, 6, 6), random(27, 3, 1, 6, 6)
    teacher[1] = student[1]
    yield "the second image flat at zero", student, teacher
    student, teacher = random(28, 3, 1, 6, 6), random(29, 3, 1, 6, 6)
    teacher[:, :, 2:4, 1:3] = 0.0
    student[0, 0, 5, 5] = teacher[0, 0, 5, 5]
    yield "teacher exactly zero, some exact matches", student, teacher
    yield "one pixel", random(30, 2, 1, 1, 1)[:1], random(31, 2, 1, 1, 1)[:1]


def normal_cases():
    for batch, height, width in ((1, 6, 5), (3, 7, 6), (4, 5, 9)):
        shape = batch, 3, height, width
        yield f"random {shape}", random(batch, *shape), random(batch + 50, *shape)
    towards = np.array([1.0, 1.0, 1.0])[None, :, None, None] * 3
    student = towards + 0.3 * random(40, 2, 3, 6, 6)
    yield "all above delta", student, random(41, 2, 3, 6, 6)
    student = student.copy()
    student[:, :, :3] *= -1
    yield "both sides of delta", student, random(42, 2, 3, 6, 6)
    axes = np.eye(3)[np.random.default_rng(43).integers(0, 3, (3, 6, 7))].transpose(0, 3, 1, 2)
    yield "axis-aligned, most products exactly zero", axes * 2.5, random(44, 3, 3, 6, 7)
    opposite = np.zeros((2, 3, 6, 6))
    opposite[:, 0] = 1.0
    crossed = np.zeros((2, 3, 6, 6))
    crossed[:, 1] = 1.0
    yield "orthogonal axes, nothing counted", opposite, crossed
    teacher = random(45, 2, 3, 6, 6)
    teacher[:, :, 1:3] = np.array([2.0, -2.0, 0.0])[None, :, None, None]
    yield "teacher's channels sum to zero", random(46, 2, 3, 6, 6), teacher
    yield "one pixel", random(47, 2, 3, 1, 1)[:1], random(48, 2, 3, 1, 1)[:1]


def cases(generate):
    return pytest.mark.parametrize(
        ("student", "teacher"),
        [pytest.param(student, teacher, id=name) for name, student, teacher in generate()])


@pytest.mark.parametrize("k", (0.3, 0.9, 1.0))
@cases(segmentation_cases)
def test_released_segmentation(student, teacher, k):
    value = had_released.segmentation_term(tensor(student), tensor(teacher), k)
    assert value.shape == ()
    assert value.item() == pytest.approx(oracles.released_segmentation(student, teacher, k),
                                         rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("k", (0.3, 0.9, 1.0))
@cases(depth_cases)
def test_released_depth(student, teacher, k):
    value = had_released.depth_term(tensor(student), tensor(teacher), k, DELTA)
    assert value.shape == ()
    assert value.item() == pytest.approx(oracles.released_depth(student, teacher, k, DELTA),
                                         rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("k", (0.3, 0.9, 1.0))
@cases(normal_cases)
def test_released_normal(student, teacher, k):
    value = had_released.normal_term(tensor(student), tensor(teacher), k, DELTA)
    assert value.shape == ()
    assert value.item() == pytest.approx(oracles.released_normal(student, teacher, k, DELTA),
                                         rel=1e-10, abs=1e-12)


def test_released_segmentation_gradient_takes_the_weights_as_constants():
    student, teacher = random(60, 2, 4, 4, 5), random(61, 2, 4, 4, 5)
    teacher[:, 3] = -20.0
    at = tensor(student, grad=True)
    had_released.segmentation_term(at, tensor(teacher), 0.3).backward()
    weights = oracles.released_class_weights(student, teacher)
    constant = numeric_gradient(
        lambda x: oracles.released_segmentation(x, teacher, 0.3, weights), student)
    np.testing.assert_allclose(at.grad.numpy(), constant, rtol=1e-6, atol=1e-8)
    through = numeric_gradient(lambda x: oracles.released_segmentation(x, teacher, 0.3), student)
    assert np.abs(through - constant).max() > 1e-4


def test_released_depth_gradient():
    student, teacher = random(62, 2, 1, 5, 4), random(63, 2, 1, 5, 4)
    at = tensor(student, grad=True)
    had_released.depth_term(at, tensor(teacher), 0.3, DELTA).backward()
    numeric = numeric_gradient(lambda x: oracles.released_depth(x, teacher, 0.3, DELTA), student)
    np.testing.assert_allclose(at.grad.numpy(), numeric, rtol=1e-6, atol=1e-8)


def test_released_normal_gradient():
    student, teacher = random(64, 2, 3, 5, 4), random(65, 2, 3, 5, 4)
    at = tensor(student, grad=True)
    had_released.normal_term(at, tensor(teacher), 0.3, DELTA).backward()
    numeric = numeric_gradient(lambda x: oracles.released_normal(x, teacher, 0.3, DELTA), student)
    np.testing.assert_allclose(at.grad.numpy(), numeric, rtol=1e-6, atol=1e-8)


def test_released_binary_term_cuts_the_logit_at_one_half_and_is_not_halved():
    teacher = tensor(np.array([[[[0.7, 0.4], [0.2, -3.0]]]]))
    student = tensor(np.array([[[[math.log(3), 0.0], [0.0, -math.log(3)]]]]))
    task = Task(name="saliency", kind="binary", channels=1)
    method = had_released.HADReleased(had_released.HADReleased.Config(weight=3))
    term = method.share(2) * method.old_loss(task, kind_of(task), student, teacher)
    # One pixel of four is positive: it weighs 3/4, each of the others 1/4.
    balanced = 3 / 4 * math.log(4 / 3) + 1 / 4 * (2 * math.log(2) + math.log(4 / 3))
    assert term.item() == pytest.approx(3 * balanced / 4, rel=1e-12)
    on_the_cut = method.old_loss(task, kind_of(task), student, teacher.clamp(max=0.5))
    assert method.share(2) * on_the_cut.item() == pytest.approx(term.item(), rel=1e-12)


@pytest.mark.parametrize("equal", (False, True))
def test_released_terms_can_always_be_differentiated(equal):
    """A perfect or flat student gives constant terms; the backward pass still has to work."""
    for name, channels in (("segmentation", 4), ("depth", 1), ("normal", 3)):
        student = tensor(np.ones((2, channels, 6, 6)), grad=True)
        teacher = student.detach() * (1 if equal else 2)
        term = getattr(had_released, f"{name}_term")
        delta = () if name == "segmentation" else (DELTA,)
        term(student, teacher, K, *delta).backward()
        assert torch.isfinite(student.grad).all(), name


# How the released code differs from the paper: one small example each -----------------------------


def two_sided_depth():
    """Student and teacher in [0, 1] whose sides of delta agree: half far, half near."""
    teacher = np.linspace(0.0, 1.0, 24).reshape(1, 1, 4, 6)
    teacher[0, 0, 0, 0] = 1e-3  # not exactly zero, which the released code would mask
    student = teacher + np.where(teacher > DELTA, 0.3, -0.3) * losses(70, 1, 1, 4, 6)
    assert ((student > DELTA) == (teacher > DELTA)).all()
    return student, teacher


def test_weight_is_not_divided_by_the_old_tasks():
    assert oracles.released_combine([0.5], 3.0) == oracles.combine([0.5], 3.0)
    terms = [0.5, 0.7, 0.1]
    assert oracles.released_combine(terms, 3.0) == pytest.approx(3 * oracles.combine(terms, 3.0))


def test_regression_groups_look_at_the_students_raw_output():
    teacher = np.full((1, 1, 6, 6), 2.0)
    teacher[:, :, :2] = 5.0  # a third of the pixels is far, and worse
    student = teacher + np.where(teacher > 3, 0.9, 0.3) * losses(71, 1, 1, 6, 6)
    loss = oracles.l1_map(student, teacher)
    # Metres: every pixel is above 0.5, which gives the plain mean.
    assert oracles.released_depth_db(student, teacher, DELTA) == pytest.approx(loss.mean())
    groups = oracles.threshold_groups(teacher, DELTA)
    assert set(groups.flat) == {0, 1}
    paper = oracles.balanced(loss, groups, 2, "arithmetic")[0]
    assert paper > 1.05 * loss.mean()


def test_regression_groups_use_the_arithmetic_mean():
    student, teacher = two_sided_depth()
    loss, groups = oracles.l1_map(student, teacher), oracles.threshold_groups(teacher, DELTA)
    released = oracles.released_depth_db(student, teacher, DELTA) / 2
    assert released == pytest.approx(oracles.balanced(loss, groups, 2, "arithmetic")[0])
    assert released > 1.05 * oracles.balanced(loss, groups, 2, "geometric")[0]


def test_regression_groups_are_summed_and_empty_ones_count_zero_or_one():
    student, teacher = two_sided_depth()
    loss, groups = oracles.l1_map(student, teacher), oracles.threshold_groups(teacher, DELTA)
    assert oracles.released_depth_db(student, teacher, DELTA) == pytest.approx(
        2 * oracles.balanced(loss, groups, 2, "arithmetic")[0])
    # One side empty: nothing is added for depth, 1 is added for normals.
    above = 2 + losses(73, 1, 1, 4, 6)
    assert oracles.released_depth_db(above, above + 0.25, DELTA) == pytest.approx(0.25)
    facing = np.zeros((1, 3, 4, 6))
    facing[:, 2] = 1.0  # unit normals with mean channel 1/3: all below delta
    assert oracles.released_normal_db(facing, facing, DELTA) == pytest.approx(1 + (1 - 1 / 3))


def test_segmentation_groups_pool_the_batch_and_weigh_empty_classes_most():
    student, teacher = random(74, 2, 4, 5, 5), random(75, 2, 4, 5, 5)
    teacher[:, 3] = -20.0
    loss, groups = oracles.hard_label_map(student, teacher), oracles.class_groups(teacher)
    paper = oracles.balanced(loss, groups, 4, "geometric").mean()
    assert oracles.released_segmentation_db(student, teacher) < 0.5 * paper
    weights = oracles.released_class_weights(student, teacher)
    assert weights[3] == max(weights) and sum(weights) == pytest.approx(1.0)
    # Pooling alone: the geometric mean over the batch is not the mean of the images' means.
    pooled = oracles.released_class_losses(student, teacher)[0]
    images = oracles.balanced(loss, np.where(groups == 0, 0, 1), 1, "geometric")
    assert pooled != pytest.approx(images.mean(), rel=1e-3)


def test_segmentation_drops_exact_zeros():
    student = np.zeros((1, 2, 1, 4))
    student[0, 0, 0, 2:] = 900.0  # two perfect pixels, two undecided ones
    teacher = np.zeros((1, 2, 1, 4))
    teacher[0, 0] = 1.0
    assert oracles.released_class_losses(student, teacher) == pytest.approx([math.log(2), 0.0])
    loss, groups = oracles.hard_label_map(student, teacher), oracles.class_groups(teacher)
    paper = oracles.balanced(loss, groups, 2, "geometric")[0]
    least = oracles.FLOOR * math.log(2) / 2
    assert paper == pytest.approx(math.sqrt(math.log(2) * least))


def test_segmentation_salience_is_averaged_over_all_pixels():
    student, teacher = random(76, 1, 3, 8, 8), random(77, 1, 3, 8, 8)
    loss = oracles.hard_label_map(student, teacher)
    chosen = oracles.released_edges(loss, 0.5)
    over_chosen = np.mean([loss[p] for p in chosen])
    released = oracles.released_segmentation_sg(student, teacher, 0.5)
    assert released == pytest.approx(over_chosen * len(chosen) / 64)
    assert released < 0.7 * over_chosen


def test_salience_threshold_is_relative_to_the_image():
    loss = 1e-3 * losses(78, 1, 6, 6)
    raw = oracles.gradient_magnitude(loss[0], "replicate")
    assert (raw <= K).all()  # taken literally, G > k selects nothing here
    assert len(oracles.released_edges(loss, K)) > 0
    assert oracles.released_edges(np.zeros((2, 6, 6)), K) == []  # 0 / 0 is not above k


def test_salience_takes_the_border_for_an_edge():
    flat = np.full((1, 6, 7), 0.4)
    assert oracles.salient(flat, K)[0] == 0.0
    border = {(0, r, c) for r in range(6) for c in range(7) if r in (0, 5) or c in (0, 6)}
    assert set(oracles.released_edges(flat, K)) == border  # sides at 4 / sqrt(18) = 0.943


def test_depth_salience_mixes_the_images_of_a_batch():
    student, teacher = random(79, 3, 1, 6, 6), random(80, 3, 1, 6, 6)
    loss = oracles.released_depth_map(student, teacher)
    edges = oracles.released_edges(loss, 0.5)
    own = np.mean([loss[p] for p in edges])
    released = oracles.released_depth_sg(student, teacher, 0.5)
    assert released == pytest.approx(np.mean([loss[:, r, c] for _, r, c in edges]))
    assert released != pytest.approx(own, rel=1e-2)
    alone = oracles.released_depth_sg(student[:1], teacher[:1], 0.5)
    chosen = oracles.released_edges(loss[:1], 0.5)
    assert alone == pytest.approx(np.mean([loss[p] for p in chosen]))  # one image: no mixing


def test_depth_reads_an_exact_zero_of_the_teacher_as_missing():
    student, teacher = losses(81, 1, 1, 5, 5), losses(82, 1, 1, 5, 5)
    teacher[0, 0, 2, 2] = 0.0
    assert oracles.l1_map(student, teacher)[0, 2, 2] > 0
    assert oracles.released_depth_map(student, teacher)[0, 2, 2] == 0


def test_normal_salience_divides_all_pixels_by_the_salient_ones():
    normals = random(83, 1, 3, 8, 8)
    # A perfect student: all 64 cosines are 1, the border (28 pixels, 3 products each) is salient.
    perfect = oracles.released_normal_sg(normals, normals, K)
    assert perfect == pytest.approx(1 - 64 / (3 * 28), abs=1e-9)
    assert oracles.cosine_map(normals, normals).max() < 1e-12  # whichever pixels: the mean is 0
    # One wrong corner leaves few salient pixels and drives the term far below any 1 - cos.
    student = normals.copy()
    student[0, :, 0, 0] *= -1
    few = oracles.released_edges(1 - (1 - oracles.cosine_map(student, normals)) / 3, K)
    released = oracles.released_normal_sg(student, normals, K)
    assert released == pytest.approx(1 - (63 - 1) / (3 * len(few)))
    assert released < -2
    assert oracles.salient(oracles.cosine_map(student, normals), K)[0] >= 0


def test_normal_loss_is_never_zero():
    normals = random(85, 1, 3, 5, 5)
    assert np.abs(oracles.cosine_map(normals, normals)).max() < 1e-12
    # All pixels below delta or above: one side gives 1 - 1/3, an empty one 1.
    assert oracles.released_normal_db(normals, normals, 1.0) == pytest.approx(1 + 2 / 3)


def test_segmentation_distance_ignores_how_sure_the_teacher_is():
    student, teacher = random(86, 1, 4, 5, 5), random(87, 1, 4, 5, 5)
    sure = 10 * teacher
    assert oracles.released_segmentation(student, teacher, K) == pytest.approx(
        oracles.released_segmentation(student, sure, K))
    soft = oracles.soft_label_map(student, teacher)
    assert np.abs(soft - oracles.soft_label_map(student, sure)).max() > 0.1
    np.testing.assert_allclose(oracles.soft_label_map(student, 1e4 * teacher),
                               oracles.hard_label_map(student, teacher), rtol=1e-6)


def test_means_run_over_the_batch_and_not_over_images():
    student, teacher = random(88, 2, 1, 5, 5), random(89, 2, 1, 5, 5)
    student[0], student[1] = student[0] + 1.0, student[1] - 1.0  # sides of unequal size
    alone = [oracles.released_depth_db(student[i:i + 1], teacher[i:i + 1], DELTA) for i in (0, 1)]
    assert oracles.released_depth_db(student, teacher, DELTA) != pytest.approx(np.mean(alone),
                                                                               rel=1e-3)

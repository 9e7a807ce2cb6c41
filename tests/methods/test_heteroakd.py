"""HeteroAKD: Equations 5 to 10 against loops for tasks of all kinds, gradients, and terms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.method import Step
from benchmark.tasks import VOID, Task
from methods import _heteroakd as hybrid
from tests.helpers.phases import after_first_phase, make_phase, method, steps, trainer
from tests.helpers.random_maps import TIGHT, numeric_gradient, random, tensor

TASKS = {
    "segmentation": Task(name="a", kind="segmentation", channels=4),
    "binary": Task(name="b", kind="binary", channels=1),
    "map": Task(name="c", kind="regression", channels=2),
    "direction": Task(name="d", kind="direction", channels=3),
}
SIZE = (2, 3, 4)
T = 4.0


def width(task):
    return {"segmentation": task.channels, "binary": 2}.get(task.kind, task.channels)


def maps(task, seed):
    """Projected features [B, K, h, w]; not negative where there are classes."""
    found = random(seed, SIZE[0], width(task), *SIZE[1:])
    return np.maximum(found, 0) if hybrid.classes(task) else found


def target(task, seed=5, void=True):
    """Random labels; with some pixels, and one whole image, that do not count."""
    generator = np.random.default_rng(seed)
    if task.kind in ("segmentation", "binary"):
        found = generator.integers(0, width(task), SIZE).astype(np.uint8)
        missing = VOID
    else:
        found = random(seed, SIZE[0], task.channels, *SIZE[1:])
        if task.kind == "direction":
            found /= np.linalg.norm(found, axis=1, keepdims=True)
        missing = math.nan if task.kind == "regression" else 0.0
    if void:
        found[0, ..., 0, 1] = found[0, ..., 2, 2] = missing
    return torch.tensor(found)


def places(labels, task):
    """Pixels that count, as (image, r, c)."""
    bad = {"segmentation": lambda v: v == VOID, "binary": lambda v: v == VOID,
           "regression": lambda v: np.isnan(v).any(), "direction": lambda v: not v.any()}[task.kind]
    return [place for place in np.ndindex(SIZE) if not bad(labels[place[0], ..., *place[1:]])]


# The equations, by loops -----------------------------------------------------------------------


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def unit(vector):
    return vector / math.sqrt((vector**2).sum())


def slow_distance(task, one, other):
    if task.kind == "regression":
        return np.abs(one - other).mean()
    return 1 - (unit(one) * unit(other)).sum()


def slow_reliability(task, z, label):
    """H of one pixel: one value per class, or one for a map."""
    if not hybrid.classes(task):
        return np.array([slow_distance(task, z, label)])
    return np.array([-math.log(sigmoid(z[k]) if k == label else 1 - sigmoid(z[k]))
                     for k in range(len(z))])


def softmax(values):
    powers = [math.exp(value - max(values)) for value in values]
    return np.array([power / sum(powers) for power in powers])


def slow_parts(task, teacher, student, labels, axis):
    """z_hyb and W at each pixel that counts."""
    found, gains = {}, {}
    for b, r, c in places(labels, task):
        z_t, z_s, y = teacher[b, :, r, c], student[b, :, r, c], labels[b, ..., r, c]
        if task.kind == "direction":
            z_t, z_s = unit(z_t), unit(z_s)
        h_t, h_s = slow_reliability(task, z_t, y), slow_reliability(task, z_s, y)
        share = 1 - h_t / (h_t + h_s)
        found[b, r, c] = share * z_t + (1 - share) * z_s
        gap = h_s - slow_reliability(task, found[b, r, c], y)
        gains[b, r, c] = h_s + np.maximum(gap, 0)
    weights = {}
    for place, gain in gains.items():
        if axis == "classes" and hybrid.classes(task):
            weights[place] = len(gain) * softmax(list(gain))
            continue
        image = [other for other in gains if other[0] == place[0]]
        weights[place] = np.array([
            len(image) * softmax([gains[other][k] for other in image])[image.index(place)]
            for k in range(len(gain))])
    return found, weights


def slow_loss(task, student, mixture, weights):
    total = 0.0
    for (b, r, c), z_hyb in mixture.items():
        z_s, weight = student[b, :, r, c], weights[b, r, c]
        if hybrid.classes(task):
            target, found = softmax(list(z_hyb / T)), softmax(list(z_s / T))
            total += sum(-w * p * math.log(q)
                         for w, p, q in zip(weight, target, found, strict=True))
        else:
            total += weight[0] * slow_distance(task, z_s, z_hyb)
    return total / max(len(mixture), 1)


@pytest.mark.parametrize("axis", ["space", "classes"])
@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("name", TASKS)
def test_loss_and_gradient_are_those_of_the_loops(name, void, axis):
    task = TASKS[name]
    teacher, student, labels = maps(task, 1), maps(task, 2), target(task, void=void)
    z_t, z_s = tensor(teacher, grad=True), tensor(student, grad=True)
    loss = hybrid.hybrid_loss(task, z_t, z_s, labels, axis, T)
    mixture, weights = slow_parts(task, teacher, student, labels.numpy(), axis)
    np.testing.assert_allclose(loss.item(), slow_loss(task, student, mixture, weights), **TIGHT)
    loss.backward()
    assert z_t.grad is None
    expected = numeric_gradient(lambda at: slow_loss(task, at, mixture, weights), student)
    np.testing.assert_allclose(z_s.grad, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", TASKS)
def test_pixels_without_label_do_not_matter(name):
    task, labels = TASKS[name], target(TASKS[name])
    teacher, student = maps(task, 1), maps(task, 2)
    plain = hybrid.hybrid_loss(task, tensor(teacher), tensor(student), labels, "space", T)
    for z in (teacher, student):
        z[0, :, 0, 1], z[0, :, 2, 2] = 7.0, 0.3
    other = hybrid.hybrid_loss(task, tensor(teacher), tensor(student), labels, "space", T)
    torch.testing.assert_close(plain, other, rtol=1e-12, atol=0)
    empty = torch.full_like(labels, {"regression": math.nan, "direction": 0.0}.get(task.kind, VOID))
    assert hybrid.hybrid_loss(task, tensor(teacher), tensor(student), empty, "space", T) == 0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), name=st.sampled_from(["segmentation", "binary"]))
def test_a_mixture_is_at_least_as_reliable_as_the_worse_of_both(seed, name):
    task = TASKS[name]
    one, other = tensor(maps(task, seed)), tensor(maps(task, seed + 1))
    labels = target(task, seed, void=False)
    h_one, h_other = (hybrid.reliability(task, z, labels) for z in (one, other))
    mixture = hybrid.mixed(one, other, h_one, h_other)
    assert (hybrid.reliability(task, mixture, labels)
            <= torch.maximum(h_one, h_other) + 1e-12).all()
    assert (mixture >= torch.minimum(one, other) - 1e-12).all()


def test_features_without_error_replace_those_with_error():
    one, other = tensor(random(1, 2, 3)), tensor(random(2, 2, 3))
    nothing, some = torch.zeros_like(one), torch.ones_like(one)
    assert torch.equal(hybrid.mixed(one, other, nothing, some), one)
    assert torch.equal(hybrid.mixed(one, other, some, nothing), other)
    torch.testing.assert_close(hybrid.mixed(one, other, nothing, nothing), (one + other) / 2)


@pytest.mark.parametrize("axis", ["space", "classes"])
def test_emphasis_has_mean_one_and_grows_where_the_student_errs(axis):
    student, mixture = tensor(random(1, 2, 3, 4, 5)) ** 2, tensor(random(2, 2, 3, 4, 5)) ** 2
    weights = hybrid.emphasis(student, mixture, torch.ones(2, 4, 5, dtype=torch.bool), axis)
    mean = weights.mean(1) if axis == "classes" else weights.mean((2, 3))
    torch.testing.assert_close(mean, torch.ones_like(mean))
    student[1, 2, 3, 4] += 3
    more = hybrid.emphasis(student, mixture, torch.ones(2, 4, 5, dtype=torch.bool), axis)
    assert more[1, 2, 3, 4] > weights[1, 2, 3, 4]


# Projections -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_projections_learn_from_labels_and_features_from_the_mixture(name):
    task = TASKS[name]
    torch.manual_seed(0)
    alignment = hybrid.Alignment(task, teacher_channels=5, student_channels=6)
    assert not list(alignment.buffers())
    teacher, student = torch.randn(2, 5, 2, 2), torch.randn(2, 6, 3, 4, requires_grad=True)
    found, aligned = alignment(teacher, student, target(task), "space", T)
    found.backward(retain_graph=True)
    assert all(p.grad is None for p in alignment.teacher.parameters())
    assert student.grad is not None and all(p.grad is not None
                                            for p in alignment.student.parameters())
    student.grad = None
    aligned.backward()
    assert student.grad is None
    assert all(p.grad is not None for p in alignment.parameters())


@pytest.mark.parametrize("name", TASKS)
def test_projections_come_to_predict_the_labels(name):
    task, generator = TASKS[name], torch.Generator().manual_seed(0)
    features = torch.randn(8, 6, 5, 5, generator=generator)
    labels = features[:, :width(task)].argmax(1).to(torch.uint8) if hybrid.classes(task) else (
        features[:, :task.channels] / features[:, :task.channels].norm(dim=1, keepdim=True))
    torch.manual_seed(0)
    alignment = hybrid.Alignment(task, 6, 6)
    optimiser, history = torch.optim.Adam(alignment.parameters(), 0.05), []
    for _ in range(60):
        _, aligned = alignment(features, features, labels, "space", T)
        optimiser.zero_grad()
        aligned.backward()
        optimiser.step()
        history.append(aligned.item())
    assert history[-1] < 0.8 * history[0]


# The methods -----------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["narrow", "pvt_v2_b0"])
def test_terms_and_parameters_in_a_phase(other, cache):
    learner, _ = after_first_phase("heteroakd", cache)
    phase = make_phase(cache, settings=[f"recipe.backbone={other}"], new_backbone=other != "narrow")
    learner.begin_phase(phase)
    train = trainer(learner, phase)
    before = [parameter.detach().clone() for parameter in learner.parameters()]
    assert len(before) == 2 * 2 * 3  # two old tasks, two sides, a kernel, a scale and a shift
    report = train.train_epoch()
    assert set(report.losses) == {"normal/new", "semantic/old", "depth/old", "semantic/hybrid",
                                  "depth/hybrid"}
    assert all(not torch.equal(*pair) for pair in zip(before, learner.parameters(), strict=True))


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_terms_are_the_teachers_pseudo_labels_and_a_tenth_of_the_outputs(share, cache):
    fixed = ["recipe.head_dropout=0"]
    learner, phase = after_first_phase("heteroakd", cache, settings=fixed, scale="none",
                                       label_weight=share)
    lwf, _ = after_first_phase("lwf", cache, settings=fixed, scale="none")
    lwf.teacher.load_state_dict(learner.teacher.state_dict())
    learner.begin_phase(phase)
    lwf.begin_phase(phase)
    step = steps(phase)[0]
    terms, outputs = learner.loss(step), lwf.loss(Step(phase, step.batch))
    for task in phase.old_tasks:
        kind = hybrid.kind_of(task)
        raw = learner.teacher.outputs(step, [task])[task.name]
        supervised = kind.loss(step.output(task), kind.pseudo_label(raw))
        torch.testing.assert_close(terms[f"{task.name}/old"],
                                   share * supervised + 0.1 * outputs[f"{task.name}/old"])
        label = kind.pseudo_label(learner.teacher.coarse_outputs(step, [task])[task.name])
        parts = learner._alignments[task.name](learner.teacher.features(step), step.features, label,
                                               "space", T)
        torch.testing.assert_close(terms[f"{task.name}/hybrid"], parts[0] + parts[1])


def test_offline_without_weight_is_joint_training(tiny):
    assert (tiny("heteroakd_offline", method_settings=["weight=0"]).record.matrix
            == tiny("joint", method_settings=["labels=all"]).record.matrix)


def test_offline_on_one_segmentation_task_with_a_teacher_of_another_architecture(cache):
    phase = make_phase(cache, (), ("semantic",))
    learner = method("heteroakd_offline", teacher_epochs=1)
    learner.begin_phase(phase)
    train = trainer(learner, phase)
    assert learner._teacher.channels != phase.network.backbone.channels
    assert phase.network.passes.backward == len(phase.data)  # the teacher's single epoch
    assert set(train.train_epoch().losses) == {"semantic/new", "semantic/output", "semantic/hybrid"}

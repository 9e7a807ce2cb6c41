"""JointDistill: weights, connector, held-out images, single-task teachers, trajectories."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from benchmark.components import train_teacher as teachers
from benchmark.components.ema import RunningAverage
from benchmark.components.train_teacher import HeldOutImages, train_teacher
from benchmark.data.loading.phase_data import Batch
from benchmark.engine import checkpoint
from benchmark.method import Step
from benchmark.model.heads import upsample
from benchmark.tasks.losses import kind_of
from methods._jointdistill import Connector, adapt_weights
from tests.helpers.phases import (
    IMAGES,
    after_first_phase,
    make_phase,
    method,
    perturbed,
    steps,
    trainer,
)
from tests.helpers.random_maps import random, tensor

SCORES = st.lists(st.floats(0.05, 1.5), min_size=1, max_size=6)

# The weights' rule -----------------------------------------------------------------------------


def slow_rule(weights, scores, alpha, beta, step=1e-6):
    """The published update with its derivative by differences, then scaled to mean 1."""
    def bracket(values, i):
        level = np.mean(scores) ** (alpha - 1)
        return values[i] - np.mean(values) * scores[i] * level

    updated = []
    for i, weight in enumerate(weights):
        up, down = list(weights), list(weights)
        up[i] += step
        down[i] -= step
        slope = (bracket(up, i) - bracket(down, i)) / (2 * step)
        updated.append(weight - beta * weight * slope)
    return np.array(updated) / np.mean(updated)


@given(scores=SCORES, alpha=st.floats(-1, 3), beta=st.floats(0, 1), seed=st.integers(0, 99))
def test_rule_is_the_published_one(scores, alpha, beta, seed):
    start = np.random.default_rng(seed).uniform(0.2, 2, len(scores))
    names = [str(i) for i in range(len(scores))]
    found = adapt_weights(dict(zip(names, start, strict=True)),
                          dict(zip(names, scores, strict=True)), alpha, beta)
    np.testing.assert_allclose(list(found.values()), slow_rule(start, scores, alpha, beta),
                               rtol=1e-6)
    assert min(found.values()) > 0
    np.testing.assert_allclose(np.mean(list(found.values())), 1)


def test_rule_keeps_weights_of_equal_scores_and_raises_that_of_the_best():
    even, one = {"a": 1.0, "b": 1.0}, {"a": 1.0}
    assert adapt_weights(even, {"a": 0.7, "b": 0.7}, 1, 0.3) == even
    assert adapt_weights(one, {"a": 0.1}, 2, 0.3) == one
    found = adapt_weights(even, {"a": 0.9, "b": 0.2}, 1, 0.3)
    assert found["a"] > 1 > found["b"]


# Connector -------------------------------------------------------------------------------------


def test_connector_is_two_convolutions_norm_relu_and_heads(cache):
    tasks = make_phase(cache).old_tasks
    connector = Connector([3, 5], 4, tasks).double()
    assert not list(connector.buffers())
    one, other = tensor(random(1, 2, 3, 4, 5)), tensor(random(2, 2, 5, 4, 5))
    first, second, norm, _ = connector.join
    inner = F.conv2d(torch.cat([one, other], 1), first.weight)
    inner = F.conv2d(F.pad(inner, (1, 1, 1, 1)), second.weight)
    mean = inner.mean((0, 2, 3), keepdim=True)
    spread = (inner - mean).square().mean((0, 2, 3), keepdim=True)
    right = F.relu((inner - mean) / (spread + norm.eps).sqrt())
    joined = connector([one, other])
    torch.testing.assert_close(joined, right)
    assert connector([F.interpolate(one, size=(2, 3)), other]).shape == joined.shape
    for task in tasks:
        assert connector.output(task, joined).shape == (2, task.channels, 4, 5)


# Held-out images -------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_held_out_are_the_last_images_of_a_block(share, cache):
    held = HeldOutImages(make_phase(cache), share)
    count = min(math.ceil(share * IMAGES), IMAGES - 1)
    assert held.mask.tolist() == [False] * (IMAGES - count) + [True] * count


def test_held_out_are_the_last_of_every_block_of_a_bound_and_not_too_many(cache, monkeypatch):
    phase = make_phase(cache, (), ("semantic", "depth"))
    assert HeldOutImages(phase, 0.3).mask.nonzero().flatten().tolist() == [2, 3, 6, 7]
    monkeypatch.setattr(teachers, "MOST_HELD_OUT", 2)
    assert HeldOutImages(phase, 0.3).mask.nonzero().flatten().tolist() == [3, 7]


def test_held_out_labels_are_nowhere_in_the_losses(cache):
    every = ("semantic", "depth", "normal", "edge")
    phase = make_phase(cache, (), every, "rooms5_s1")
    held = HeldOutImages(phase, 0.3)
    (batch,) = phase.data.plain(IMAGES)
    labels = held.labels(batch, phase.tasks)
    for task in phase.tasks:
        valid = kind_of(task).valid(labels[task.name]).flatten(1).any(1)
        assert not valid[held.mask].any()
        assert torch.equal(labels[task.name][~held.mask], batch.targets[task.name][~held.mask])
    wrong = {name: torch.where(held.mask.view(-1, *[1] * (each.dim() - 1)), each.flip(-1), each)
             for name, each in batch.targets.items()}
    phase.network.eval()
    one = held.losses(Step(phase, batch))
    assert one == held.losses(Step(phase, Batch(batch.images, batch.positions, wrong)))
    seen = held.batches(phase)
    assert torch.equal(torch.cat([each.positions for each in seen]), held.mask.nonzero().flatten())
    assert torch.equal(torch.cat([each.images for each in seen]), batch.images[held.mask])


# Single-task teachers --------------------------------------------------------------------------


def test_a_teacher_depends_on_phase_and_seed_alone_and_is_trained(cache):
    phase = make_phase(cache)
    before = {name: value.clone() for name, value in phase.network.state_dict().items()}
    found = []
    for epochs in (3, 3, 1):
        torch.rand(3)  # the state of the global generator does not matter
        found.append(train_teacher(phase, phase.tasks, epochs).weights)
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())
    assert not torch.equal(found[0]["heads.normal.4.weight"], found[2]["heads.normal.4.weight"])
    assert not any(name.startswith(("heads.semantic", "heads.depth")) for name in found[0])
    assert all(torch.equal(value, before[name])
               for name, value in phase.network.state_dict().items())
    assert phase.network.passes.backward == 7 * IMAGES
    assert not torch.equal(found[2]["backbone.body.0.weight"], before["backbone.body.0.weight"])


# A phase ---------------------------------------------------------------------------------------


def slow_loss(task, raw, target):
    """Mean loss of a semantic or a normal task over valid pixels, in float64."""
    raw = raw.double().numpy()
    target = target.numpy()
    values = []
    for b, r, c in np.ndindex(raw.shape[0], *raw.shape[2:]):
        output, label = raw[b, :, r, c], target[b, ..., r, c]
        if task.kind == "direction" and label.any():
            values.append(1 - output @ label / np.linalg.norm(output))
        elif task.kind == "segmentation" and label != 255:
            top = output.max()
            values.append(np.log(np.exp(output - top).sum()) + top - output[label])
    return np.mean(values)


def test_terms_are_scaled_by_the_teachers_losses_on_held_out_labels(cache):
    learner, phase = after_first_phase("jointdistill", cache, teacher_epochs=1, held_out=0.3)
    learner.begin_phase(phase)
    (held,) = [step.batch for step in learner._scoring_steps]
    network = make_phase(cache, (), ("normal",)).network
    network.load_state_dict(learner._new_teachers["normal"].state_dict()["weights"])
    with torch.no_grad():
        raw = network.eval().outputs(held.images, ["normal"])["normal"]
    expected = slow_loss(phase.tasks[0], raw, held.targets["normal"])
    np.testing.assert_allclose(learner._teacher_losses["normal"], expected, rtol=1e-4)
    assert learner._teacher_losses == {**learner.old_losses,
                                       "normal": learner._teacher_losses["normal"]}
    assert learner.old_losses.keys() == {"semantic", "depth"}


def test_losses_of_old_tasks_grow_with_the_change_of_their_outputs(cache):
    learner, phase = after_first_phase("jointdistill", cache, teacher_epochs=1)
    learner.begin_phase(phase)
    student, network = learner._student(phase, phase.old_tasks), phase.network.eval()
    losses = learner._held_out_losses(phase.old_tasks, student)
    for step in learner._scoring_steps:
        before = learner.old_teacher.outputs(step, phase.old_tasks)
        now = network.outputs(step.images, ["depth"])
    change = (now["depth"] - before["depth"]).abs().double().mean().item()
    np.testing.assert_allclose(losses["depth"], learner.old_losses["depth"] + change, rtol=1e-5)
    weights = learner.old_teacher.state_dict()["weights"]
    network.load_state_dict(weights, strict=False)
    for name, loss in learner._held_out_losses(phase.old_tasks, student).items():
        np.testing.assert_allclose(loss, learner.old_losses[name], rtol=1e-4)


@pytest.mark.parametrize("targets", ["teachers", "connector"])
def test_terms_are_weighted_distances_in_units_of_the_teachers_losses(targets, cache):
    learner, phase = after_first_phase(
        "jointdistill", cache, weight=2, feature_weight=3, teacher_epochs=1, targets=targets,
        temperature=4, settings=["recipe.head_dropout=0"])
    learner.begin_phase(phase)
    step = steps(phase)[0]
    terms = learner.loss(step)
    old, new = phase.old_tasks, phase.tasks
    outputs = (learner.old_teacher.coarse_outputs(step, old)
               | learner._new_teachers["normal"].coarse_outputs(step, new))
    joined = learner._connector([learner.old_teacher.features(step),
                                 learner._new_teachers["normal"].features(step)])
    assert learner.weights != dict.fromkeys(learner.weights, 1.0)
    for task in (*old, *new):
        name, kind = task.name, kind_of(task)
        unit = 2 * learner.weights[name] / learner._teacher_losses[name]
        read = learner._connector.output(task, joined)
        matched = upsample(outputs[name] if targets == "teachers" else read, step.images.shape[-2:])
        student = kind.distance(step.output(task), matched, temperature=4).mean()
        connected = kind.distance(read, outputs[name], temperature=4).mean()
        torch.testing.assert_close(terms[f"{name}/output"], unit * student)
        torch.testing.assert_close(terms[f"{name}/connector"], unit * connected)
    gap = (learner._connector.adapter(step.features) - joined).square().mean()
    torch.testing.assert_close(terms["backbone/connector"], 2 * 3 * gap)
    assert len(terms) == 2 * 3 + 2
    student = [p for name, p in phase.network.named_parameters() if name.startswith("backbone")]
    join = list(learner._connector.join.parameters())
    read = torch.autograd.grad(terms["depth/connector"], student + join, allow_unused=True)
    assert all((each is None) == (i < len(student)) for i, each in enumerate(read))
    match = torch.autograd.grad(terms["backbone/connector"], student + join, allow_unused=True)
    assert all((each is None) == (i >= len(student)) for i, each in enumerate(match))


def test_trajectory_is_updated_only_when_the_score_improves(cache, monkeypatch):
    learner, phase = after_first_phase("jointdistill", cache, teacher_epochs=1,
                                       trajectory_decay=0.25)
    learner.begin_phase(phase)
    monkeypatch.setattr(type(learner), "_held_out_losses", lambda self, tasks, outputs: {
        "semantic": 1.0, "depth": 1.0, "normal": next(losses)})
    losses, expected = iter([5.0, 6.0, 4.0, 4.5, 3.0, 3.0]), RunningAverage()
    for epoch, better in enumerate([False, False, True, False, True, False]):
        perturbed(phase.network, seed=epoch)
        if better:
            expected.update(phase.network, 0.75, ["normal"])
        learner._update_weights_and_trajectories(phase)
        found = learner.trajectories["normal"].snapshot.weights
        assert found.keys() == expected.snapshot.weights.keys()
        assert all(torch.equal(value, found[name])
                   for name, value in expected.snapshot.weights.items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_scoring_takes_no_gradient_from_the_step_that_follows(precision, cache):
    learner = method("jointdistill", teacher_epochs=1)
    phase = make_phase(cache, settings=[f"recipe.precision={precision}"])
    learner.old_teacher.capture(phase.network)
    learner.old_losses = {"semantic": 1.0, "depth": 1.0}
    learner.begin_phase(phase)
    train = trainer(learner, phase, precision)
    train.train_step(steps(phase)[0])  # the first of an epoch
    assert all(p.grad is not None for p in phase.network.parameters())
    assert all(p.grad is not None for p in learner.parameters())


def test_carries_one_network_and_a_number_per_task(cache):
    learner, phase = after_first_phase("jointdistill", cache, teacher_epochs=1)
    learner.begin_phase(phase)
    train = trainer(learner, phase)
    while not train.finished:
        train.train_epoch()
    assert set(learner.trajectories) == {"normal"}
    phase.network.eval()
    learner.end_phase(phase)
    state = learner.state_dict()
    assert checkpoint.tensor_bytes(state) == checkpoint.tensor_bytes(phase.network.state_dict())
    assert state["reached"].keys() == {"semantic", "depth", "normal"}
    assert not list(learner.parameters())


def test_offline_has_a_teacher_and_a_trajectory_per_task(cache):
    phase = make_phase(cache, (), ("semantic", "depth"), settings=["recipe.epochs=3"])
    learner = method("jointdistill_offline")
    learner.begin_phase(phase)
    train = trainer(learner, phase)
    assert phase.network.passes.backward == 2 * 3 * IMAGES
    assert learner._connector.join[0].in_channels == 2 * phase.network.backbone.channels
    while not train.finished:
        report = train.train_epoch()
    assert {"semantic/output", "depth/output", "semantic/connector", "depth/connector",
            "backbone/connector", "semantic/new", "depth/new"} <= set(report.losses)
    assert learner.trajectories.keys() == {"semantic", "depth"}


@pytest.mark.parametrize("settings", [["weight=0"], ["labels=own", "weight=0"]])
def test_offline_without_weight_is_joint_training(settings, tiny):
    labels = "own" if "labels=own" in settings else "all"
    assert (tiny("jointdistill_offline", method_settings=settings).record.matrix
            == tiny("joint", method_settings=[f"labels={labels}"]).record.matrix)

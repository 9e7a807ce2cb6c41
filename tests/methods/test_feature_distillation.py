"""lwf_feat, pod and ema: their terms, and the running average, against slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.components import teacher as teachers
from benchmark.components.ema import RunningAverage
from benchmark.method import Step
from methods.pod import embedding, local_pod
from tests.helpers.phases import after_first_phase, make_phase, method, perturbed, steps, trainer
from tests.helpers.random_maps import TIGHT, random, tensor

SHAPES = [(2, 3, 8, 8), (1, 2, 9, 13), (2, 1, 4, 5), (1, 3, 3, 2), (1, 2, 1, 1)]

# Local POD -------------------------------------------------------------------------------------


def slow_embedding(features):
    """PLOP, by loops: per image, pooled squares of every region, region by region."""
    images, channels, height, width = features.shape
    found = []
    for image in range(images):
        values = []
        for scale in (1, 2, 4):
            tall, wide = height // scale, width // scale
            if not tall or not wide:
                continue
            for c in range(channels):
                for top in range(0, scale * tall, tall):
                    for left in range(0, scale * wide, wide):
                        region = features[image, c, top:top + tall, left:left + wide] ** 2
                        values += [sum(row) / wide for row in region]
                        values += [sum(column) / tall for column in region.T]
        found.append(values)
    return np.array(found)


def slow_pod(student, teacher):
    ratios = []
    for features, teacher_features in zip(student, teacher, strict=True):
        one, other = slow_embedding(features), slow_embedding(teacher_features)
        ratios.append(np.mean([math.sqrt(((a - b) ** 2).sum()) / math.sqrt((b**2).sum())
                               for a, b in zip(one, other, strict=True)]))
    return np.mean(ratios)


@pytest.mark.parametrize("shape", SHAPES)
def test_embedding_holds_what_the_loops_hold(shape):
    features = random(0, *shape)
    np.testing.assert_allclose(np.sort(embedding(tensor(features)).numpy()),
                               np.sort(slow_embedding(features)), **TIGHT)


@settings(max_examples=30, deadline=None)
@given(shapes=st.lists(st.tuples(st.just(2), st.integers(1, 3), st.integers(1, 9),
                                 st.integers(1, 9)), min_size=1, max_size=3))
def test_local_pod_matches_the_loops(shapes):
    student = [random(i, *shape) for i, shape in enumerate(shapes)]
    teacher = [random(9 + i, *shape) for i, shape in enumerate(shapes)]
    found = local_pod(list(map(tensor, student)), list(map(tensor, teacher)))
    np.testing.assert_allclose(found, slow_pod(student, teacher), **TIGHT)


def test_local_pod_of_equal_features_is_zero_with_a_finite_gradient():
    features = tensor(random(1, 2, 3, 6, 7), grad=True)
    loss = local_pod([features], [features.detach()])
    loss.backward()
    assert loss == 0
    assert torch.isfinite(features.grad).all()


def test_local_pod_is_invariant_to_scale_sign_mirroring_and_channel_order():
    student, teacher = tensor(random(2, 2, 4, 8, 12)), tensor(random(3, 2, 4, 8, 12))
    plain = local_pod([student], [teacher])
    for one, other in ((10 * student, 10 * teacher), (student.flip(1), teacher.flip(1)),
                       (student.flip(-1), teacher.flip(-1)), (-student, teacher)):
        torch.testing.assert_close(local_pod([one], [other]), plain)


@pytest.mark.parametrize("old", [("semantic",), ("semantic", "depth", "normal")])
def test_pod_grows_with_the_square_root_of_the_number_of_tasks(old, cache):
    phase = make_phase(cache, old, ("edge",), "rooms5_s1")
    learner = method("pod", weight=0, pod_weight=2)
    learner.teacher.capture(phase.network)
    learner.begin_phase(phase)
    step = steps(phase)[0]
    teacher = [stage.numpy() for stage in learner.teacher.stages(step)]
    student = [stage.detach().numpy() for stage in step.stages]
    terms = learner.loss(step)
    expected = 2 * math.sqrt(len(old) + 1) * slow_pod(student, teacher)
    np.testing.assert_allclose(terms["backbone/pod"].item(), expected, rtol=1e-4)
    assert set(terms) == {"edge/new", "backbone/pod"}


# Features and outputs together -----------------------------------------------------------------


@pytest.mark.parametrize("crop", [(), ("recipe.crop=[16,16]", "recipe.flip=true")])
def test_lwf_feat_is_lwf_and_the_squared_error_of_features(crop, cache):
    fixed = ("recipe.head_dropout=0", *crop)
    learner, phase = after_first_phase("lwf_feat", cache, feature_weight=3, settings=fixed)
    plain, _ = after_first_phase("lwf", cache, settings=fixed)
    old = make_phase(cache, (), ("semantic", "depth"), settings=fixed).network.eval()
    old.load_state_dict(learner.teacher.state_dict()["weights"])
    learner.begin_phase(phase)
    plain.begin_phase(phase)
    for batch in [step.batch for step in steps(phase)]:
        step = Step(phase, batch)
        found, lwf = learner.loss(step), plain.loss(Step(phase, batch))
        with torch.no_grad():
            gap = step.features.double() - old.encode(batch.images).double()
        np.testing.assert_allclose(found.pop("backbone/features").item(),
                                   3 * gap.square().mean().item(), rtol=1e-4)
        torch.testing.assert_close(found, lwf)


@pytest.mark.parametrize("name", ["lwf_feat", "pod"])
def test_features_move_the_backbone_and_no_head(name, cache):
    learner, phase = after_first_phase(name, cache, weight=0)
    learner.begin_phase(phase)
    terms = learner.loss(steps(phase)[0])
    (feature,) = (term for key, term in terms.items() if key.startswith("backbone/"))
    feature.backward()
    for key, parameter in phase.network.named_parameters():
        assert (parameter.grad is not None) == key.startswith("backbone"), key


@pytest.mark.parametrize("name", ["lwf_feat", "pod", "heteroakd"])
@pytest.mark.parametrize("budget", [0, 2**28])
def test_a_cached_teacher_and_a_live_one_agree_in_at_most_one_pass(
        name, budget, cache, monkeypatch):
    monkeypatch.setattr(teachers, "STAGES_BYTES", budget)
    learner, phase = after_first_phase(name, cache)
    learner.begin_phase(phase)
    passes = phase.network.passes
    for step in steps(phase):
        before = passes.forward
        learner.loss(step)
        assert passes.forward - before == len(step.images) * (1 if budget else 2)
        live = learner.teacher._network.stages(step.images)
        for kept, right in zip(learner.teacher.stages(step), live, strict=True):
            torch.testing.assert_close(kept, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["lwf_feat", "pod"])
def test_features_of_another_architecture_are_not_matched(name, cache):
    learner, _ = after_first_phase(name, cache)
    other = make_phase(cache, settings=["recipe.backbone=pvt_v2_b0"], new_backbone=True)
    learner.begin_phase(other)
    terms = learner.loss(steps(other)[0])
    assert set(terms) == {"normal/new", "semantic/old", "depth/old"}


def test_a_pyramid_transformer_takes_small_images(cache):
    network = make_phase(cache, settings=["recipe.backbone=pvt_v2_b0"]).network
    stages = network.stages(torch.rand(2, 3, 20, 30))
    assert [tuple(stage.shape[2:]) for stage in stages] == [(5, 8), (3, 4), (2, 2), (1, 1)]
    assert network.encode(torch.rand(2, 3, 20, 30)).shape[2:] == (3, 4)


# The running average ---------------------------------------------------------------------------


def state(network):
    return {name: value.double().clone() for name, value in network.state_dict().items()}


def test_average_is_the_recursion_of_all_states(cache):
    network = make_phase(cache, (), ("depth",)).network
    average, expected = RunningAverage(), state(network)
    for k in range(5):
        average.update(network, rate=0.3)
        now = state(network)
        expected = {name: value + 0.3 * (now[name] - value) for name, value in expected.items()}
        perturbed(network, seed=k)
        network.train().outputs(torch.rand(4, 3, 24, 32), ["depth"])  # moves the statistics
    assert any("running_var" in name for name in expected)
    for name, value in average.state_dict()["weights"].items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)
    average.update(network, rate=1.0)
    for name, value in state(network).items():
        if "num_batches" not in name:
            torch.testing.assert_close(average.snapshot.weights[name].double(), value)


def test_a_new_head_is_copied_to_the_average_and_unwanted_ones_are_not(cache):
    network, average = make_phase(cache, (), ("depth",)).network, RunningAverage()
    average.update(network, 0.5)
    before = average.snapshot.weights["heads.depth.4.weight"].clone()
    network = make_phase(cache, ("depth",), ("semantic", "normal"), network=network).network
    perturbed(network)
    average.update(network, 0.5, ["depth", "normal"])
    weights = average.snapshot.weights
    assert torch.equal(weights["heads.normal.4.weight"], network.heads["normal"][4].weight)
    torch.testing.assert_close(weights["heads.depth.4.weight"],
                               (before + network.heads["depth"][4].weight) / 2)
    assert not any(name.startswith("heads.semantic") for name in weights)


def test_average_continues_from_its_state_and_predicts_in_eval_mode(cache):
    phase, average = make_phase(cache), RunningAverage()
    for seed in range(3):
        average.update(perturbed(phase.network, seed), 0.4)
    again = RunningAverage()
    again.load_state_dict({name: (dict(value) if isinstance(value, dict) else value)
                           for name, value in average.state_dict().items()})
    step, depth = steps(phase)[0], phase.old_tasks[1:]
    right = average.outputs(step, depth)["depth"]
    assert torch.equal(again.outputs(step, depth)["depth"], right)
    copy = make_phase(cache).network.eval()
    copy.load_state_dict(average.snapshot.weights)
    with torch.no_grad():
        torch.testing.assert_close(copy.outputs(step.images, ["depth"])["depth"], right)


@pytest.mark.parametrize("decay", [0.1, 0.6])
def test_decay_is_the_share_of_the_average_left_after_a_whole_phase(decay, cache):
    learner, phase = after_first_phase("ema", cache, decay=decay)
    start = {name: value.double() for name, value in learner.average.snapshot.weights.items()}
    learner.begin_phase(phase)
    with torch.no_grad():
        for name, parameter in phase.network.named_parameters():
            if name in start:
                parameter.copy_(start[name] + 1)  # and stays there
    for epoch in range(phase.network.recipe.epochs):
        for step in steps(phase, epoch + 1):
            learner.loss(step)
    assert not any(name.startswith("heads.normal") for name in learner.average.snapshot.weights)
    for name, _ in phase.network.named_parameters():
        if name in start:
            change = learner.average.snapshot.weights[name].double() - start[name]
            torch.testing.assert_close(change, torch.full_like(change, 1 - decay), rtol=1e-4,
                                       atol=1e-4)


def test_ema_without_decay_is_lwf(cache):
    fixed = ("recipe.head_dropout=0",)
    (learner, phase), (lwf, _) = (after_first_phase("ema", cache, decay=1, settings=fixed),
                                  after_first_phase("lwf", cache, settings=fixed))
    for each in (learner, lwf):
        each.begin_phase(phase)
    for step in steps(phase):
        torch.testing.assert_close(learner.loss(step), lwf.loss(Step(phase, step.batch)))
        perturbed(phase.network)


def test_ema_is_a_fixed_teacher_in_a_phase_with_another_backbone(cache):
    learner, _ = after_first_phase("ema", cache)
    kept = {name: value.clone() for name, value in learner.average.snapshot.weights.items()}
    other = make_phase(cache, settings=["recipe.backbone=pvt_v2_b0"], new_backbone=True)
    learner.begin_phase(other)
    trainer(learner, other).train_epoch()
    assert all(torch.equal(value, kept[name])
               for name, value in learner.teacher.state_dict()["weights"].items())
    learner.end_phase(other)
    state = learner.state_dict()
    assert state["average"]["backbone"] == "pvt_v2_b0" and not state["teacher"]

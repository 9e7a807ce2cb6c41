"""EWC, MAS, SI and L2-SP: importances against finite differences, the penalty, the units."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.method import Step
from benchmark.model.heads import upsample
from benchmark.tasks.kinds import kind_of
from tests.helpers.phases import IMAGES, make_phase, method, perturbed

ALONE = ((), ("depth",))
"""Old and new tasks of the phase whose importances are looked at."""
STEP = 1e-6


@pytest.fixture
def phase(cache):
    """A first phase in float64, in the mode in which a phase ends."""
    made = make_phase(cache, *ALONE)
    made.network.double().eval()
    return made


def omega(learner, phase):
    learner.end_phase(phase)
    return learner.omega


def slopes(phase, of, entries):
    """d of(image) / d entry by central differences: [images, entries]."""
    (batch,) = phase.data.plain(IMAGES)
    images, targets = batch.images.double(), batch.targets["depth"].double()
    parameters = dict(phase.network.backbone.named_parameters())
    found = np.zeros((len(images), len(entries)))
    with torch.no_grad():
        for column, (name, at) in enumerate(entries):
            flat = parameters[name].view(-1)
            for row in range(len(images)):
                values = []
                for side in (STEP, -2 * STEP):
                    flat[at] += side
                    values.append(of(phase, images[row:row + 1], targets[row:row + 1]))
                flat[at] += STEP
                found[row, column] = (values[0] - values[1]) / (2 * STEP)
    return found


def output(phase, image):
    network = phase.network
    return upsample(network.decode("depth", network.encode(image)), image.shape[-2:])


def loss(phase, image, target):
    """The mean absolute error over valid pixels: in float64, which the kind's own is not."""
    valid = ~target.isnan()
    return float((output(phase, image) - target)[valid].abs().mean())


def size(phase, image, target):
    return float(output(phase, image).square().sum(1).mean())


@pytest.mark.parametrize(("name", "of", "power"), [("ewc", loss, 2), ("mas", size, 1)])
def test_importances_are_those_of_finite_differences(phase, name, of, power):
    found = omega(method(name), phase)
    names = [key for key in found if found[key].dim() == 4]
    entries = [(key, int(found[key].argmax())) for key in (names[0], names[-1])]
    entries.append((names[0], int(found[names[0]].flatten().argsort()[-3])))
    expected = (np.abs(slopes(phase, of, entries)) ** power).mean(axis=0)
    given = np.array([float(found[key].flatten()[at]) for key, at in entries])
    assert np.allclose(given / given[0], expected / expected[0], rtol=1e-3)


@pytest.mark.parametrize("name", ["ewc", "mas", "si"])
def test_importances_have_mean_one_and_grow_with_gamma(phase, name):
    learner = method(name, **({"gamma": 0.5} if name != "si" else {}))
    if name == "si":
        with torch.no_grad():
            take_steps(learner, phase)
    once = {key: value.clone() for key, value in omega(learner, phase).items()}
    mean = sum(float(value.sum()) for value in once.values()) / sum(
        value.numel() for value in once.values())
    assert mean == pytest.approx(1)
    if name != "si":
        twice = omega(learner, phase)
        for key, value in once.items():
            torch.testing.assert_close(twice[key], 1.5 * value)


def take_steps(learner, phase, factor=1.0):
    """Three steps with random gradients, `factor` times as large, and the same updates."""
    torch.manual_seed(0)
    learner.begin_phase(phase)
    (batch,) = phase.data.plain(IMAGES)
    expected = {}
    for _ in range(3):
        before = {name: value.detach().clone() for name, value in phase.network.named_parameters()}
        for name, parameter in phase.network.backbone.named_parameters():
            gradient, update = torch.randn_like(parameter), 0.01 * torch.randn_like(parameter)
            parameter.grad = factor * gradient
            parameter.data -= update
            old = expected.get(name, 0)
            expected[name] = old + gradient * update
        with torch.no_grad():
            learner.edit_update(Step(phase, batch), before)
    return expected


def test_path_integrals_are_sums_of_gradient_times_update(phase):
    start = {name: value.detach().clone() for name, value in
             phase.network.backbone.named_parameters()}
    learner = method("si", damping=0.1)
    paths = take_steps(learner, phase)
    end = dict(phase.network.backbone.named_parameters())
    raw = {name: path.clamp(min=0) / ((end[name].detach() - start[name]) ** 2 + 0.1)
           for name, path in paths.items()}
    mean = torch.cat([value.flatten() for value in raw.values()]).mean()
    for name, value in omega(learner, phase).items():
        torch.testing.assert_close(value, raw[name] / mean)


@pytest.mark.parametrize("name", ["ewc", "mas", "si"])
def test_importances_do_not_change_when_the_loss_is_ten_times_as_large(cache, name, monkeypatch):
    found = []
    for factor in (1, 10):
        phase = make_phase(cache, *ALONE)
        phase.network.double().eval()
        learner = method(name)
        with monkeypatch.context() as patch:
            if name == "si":
                take_steps(learner, phase, factor)
            elif name == "mas":  # looks at outputs, no loss
                raw = Step.output
                patch.setattr(Step, "output",
                              lambda step, task, f=factor, of=raw: f * of(step, task))
            else:
                (task,) = phase.tasks
                kind = type(kind_of(task))
                of = kind.loss
                patch.setattr(kind, "loss",
                              lambda self, *given, f=factor, of=of: f * of(self, *given))
            found.append(omega(learner, phase))
    for key, value in found[0].items():
        torch.testing.assert_close(value, found[1][key])


@pytest.mark.parametrize("name", ["ewc", "mas", "si", "l2sp"])
def test_the_penalty_is_half_the_weighted_squared_change(cache, name):
    learner, phase = method(name, weight=3.0), make_phase(cache, *ALONE)
    if name == "si":
        take_steps(learner, phase)
    phase.network.eval()
    importance = omega(learner, phase)
    anchor = {key: value.detach().clone().double() for key, value in
              phase.network.backbone.named_parameters()}
    later = make_phase(cache, ("depth",), ("normal",), network=perturbed(phase.network))
    (batch,) = later.data.plain(IMAGES)
    terms = learner.loss(Step(later, batch))
    changes = {key: value.detach().double() - anchor[key]
               for key, value in later.network.backbone.named_parameters()}
    penalty = sum(float((importance[key].double() * change ** 2).sum())
                  for key, change in changes.items())
    assert float(terms["backbone/penalty"].detach()) == pytest.approx(3 / 2 * penalty, rel=1e-4)
    if name == "l2sp":
        assert all(bool((value == 1).all()) for value in importance.values())


def test_si_leaves_its_own_penalty_out_of_the_path(cache):
    learner, phase = method("si", weight=5.0), make_phase(cache, *ALONE)
    take_steps(learner, phase)
    phase.network.eval()
    learner.end_phase(phase)
    later = make_phase(cache, ("depth",), ("normal",), network=perturbed(phase.network))
    learner.begin_phase(later)
    (batch,) = later.data.plain(IMAGES)
    backbone = dict(later.network.backbone.named_parameters())
    before = {f"backbone.{key}": value.detach().clone() for key, value in backbone.items()}
    for key, value in backbone.items():  # the penalty's gradient alone: nothing of the task's
        value.grad = 5.0 * learner.omega[key] * (value.detach() - learner.anchor[key])
        value.data -= 0.01
    with torch.no_grad():
        learner.edit_update(Step(later, batch), before)
    assert all(float(path.abs().max()) < 1e-6 for path in learner.state_dict()["path"].values())

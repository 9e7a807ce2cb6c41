"""Tasks with parts of the backbone to themselves: formulas, frozen weights, costs."""

from __future__ import annotations

import contextlib
import copy

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from benchmark.components.isolation import (
    estimate_statistics,
    layers,
    norm_states,
    running_statistics,
)
from benchmark.engine.options import Stopped
from benchmark.method import Step
from benchmark.model.network import Network
from tests.helpers.outcomes import assert_constant_rows, boundary_state
from tests.helpers.phases import method, sequence_phase
from tests.helpers.tiny import tiny_plan

SMALL = ("recipe.head_channels=8",)
LAYERS = {
    "3x3": lambda: nn.Conv2d(5, 7, 3, bias=False), "1x1": lambda: nn.Conv2d(4, 6, 1),
    "1x3": lambda: nn.Conv2d(4, 6, (1, 3)), "groups": lambda: nn.Conv2d(6, 9, 3, groups=3),
    "depthwise": lambda: nn.Conv2d(8, 8, 3, groups=8), "linear": lambda: nn.Linear(6, 10),
}


@pytest.fixture
def phase_of(cache):
    """Phase `number` of a tiny run, whose network was changed at random unless it is given."""

    def build(number, settings=(), network=None):
        phase = sequence_phase(cache, number, network, settings=[*SMALL, *settings])
        if network is None:
            randomise(phase.network, 0)
        return phase

    return build


def randomise(network, seed):
    """Weights and running statistics such as training might yield."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.backbone.parameters():
            value += 0.05 * torch.randn(value.shape, generator=generator)
        for name, value in network.backbone.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.1)


def first_step(phase):
    return Step(phase, next(phase.data.epoch(1)))


# Formulas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYERS)
def test_lora_adds_a_product_reshaped_to_the_weight(kind):
    learner, layer = method("lora", rank=2, alpha=3.0), LAYERS[kind]().double()
    parts = {name: torch.randn(value.shape, dtype=torch.float64)
             for name, value in learner.new_adapters(layer).items()}
    found = learner.adapt(layer, parts)
    assert found.keys() == {"weight"}
    a, b = parts["lora_A"].numpy(), parts["lora_B"].numpy()
    product = np.array([[sum(b[i, k] * a[k, j] for k in range(len(a)))
                         for j in range(a.shape[1])] for i in range(len(b))])
    expected = layer.weight.detach().numpy() + 1.5 * product.reshape(layer.weight.shape)
    np.testing.assert_allclose(found["weight"].detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("kind", "a", "b"), [
    ("3x3", (6, 15), (21, 6)), ("1x1", (2, 4), (6, 2)), ("groups", (6, 18), (9, 6)),
    ("depthwise", (3, 24), (3, 3)), ("linear", (2, 6), (10, 2))])
def test_lora_has_the_shapes_of_convlora(kind, a, b):
    fresh = method("lora", rank=2).new_adapters(LAYERS[kind]())
    assert (fresh["lora_A"].shape, fresh["lora_B"].shape) == (a, b)


def test_lora_of_resnet18_is_five_percent_at_rank_8():
    learner, backbone = method("lora", rank=8), timm.create_model("resnet18", features_only=True)
    added = sum(value.numel() for _, layer in layers(backbone)
                for value in learner.new_adapters(layer).values())
    by_hand = sum(8 * k * k * (layer.in_channels + layer.out_channels)
                  for _, layer in layers(backbone) for k in layer.kernel_size[:1])
    assert round(by_hand / 1e6, 2) == 0.56
    assert by_hand - added == (7 * 8 - 7 * 3) * 7 * (3 + 64)  # the first product has 21 columns


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_modulator_is_a_1x1_convolution_after_the_layer(kind, normalised):
    learner = method("modulators", layers="all", normalised=normalised)
    layer = LAYERS[kind]().double()
    parts = {name: torch.randn(value.shape, dtype=torch.float64)
             for name, value in learner.new_adapters(layer).items()}
    matrix = parts["modulator"]
    if normalised:
        matrix = parts["gain"] * matrix / matrix.square().sum(2, keepdim=True).sqrt()
    adapted = learner.adapt(layer, parts)
    if isinstance(layer, nn.Linear):
        images = torch.randn(2, 6, dtype=torch.float64)
        found, expected = F.linear(images, **adapted), layer(images) @ matrix[0].T
    else:
        images = torch.randn(2, layer.in_channels, 6, 7, dtype=torch.float64)
        found = F.conv2d(images, adapted["weight"], adapted.get("bias"), groups=layer.groups)
        expected = F.conv2d(layer(images), matrix.flatten(0, 1)[:, :, None, None],
                            groups=layer.groups)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_modulators_adapt_pointwise_convolutions_only_if_set():
    pointwise, linear = LAYERS["1x1"](), LAYERS["linear"]()
    assert not method("modulators").new_adapters(pointwise)
    assert method("modulators").new_adapters(linear)
    assert method("modulators", layers="all").new_adapters(pointwise)


@pytest.mark.parametrize("name", ["lora", "modulators"])
def test_adapters_start_without_effect_and_learn(name, phase_of):
    """The frozen backbone, bit for bit, whatever was trained since; all adapters get gradients."""
    learner, first = method(name), phase_of(1)
    learner.begin_phase(first)
    assert not learner.parameters()
    learner.end_phase(first)
    frozen = copy.deepcopy(first.network)
    phase = phase_of(2, network=first.network)
    with torch.no_grad():
        for module in phase.network.backbone.modules():  # the norms of a task in between
            if isinstance(module, nn.BatchNorm2d):
                module.weight.add_(1.0), module.running_mean.sub_(2.0)
    learner.begin_phase(phase)
    step, images = first_step(phase), first_step(phase).images
    sum(learner.loss(step).values()).backward()
    assert torch.equal(step.features, frozen.train().encode(images))
    learning = {name for name, value in phase.network.backbone.named_parameters()
                if value.grad is not None}
    statistics = running_statistics(frozen.backbone)
    assert learning == norm_states(frozen.backbone).keys() - statistics.keys()
    assert all(value.grad is not None for value in learner.parameters())


@pytest.mark.parametrize("size", [3, 4, 8])
def test_estimated_statistics_are_those_of_the_phases_images(size, phase_of):
    """8 images in batches of 3, 3 and 2; all 8 at once give what one pass in train mode sees."""
    phase = phase_of(2, [f"recipe.batch={size}"])
    before = copy.deepcopy(phase.network.eval().state_dict())
    found = estimate_statistics(phase, {})
    images = torch.cat([batch.images for batch in phase.data.plain(8)])
    outputs = phase.network.backbone.body[0](images).double()
    parts = outputs.split(size)
    mean = sum(len(part) * part.mean((0, 2, 3)) for part in parts) / 8
    var = sum(len(part) * part.transpose(0, 1).flatten(1).var(1) for part in parts) / 8
    torch.testing.assert_close(found["body.1.running_mean"].double(), mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["body.1.running_var"].double(), var, rtol=1e-4, atol=1e-5)
    if size == 8:
        other = copy.deepcopy(phase.network).train()
        for module in other.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        other.encode(images)
        for name, value in running_statistics(other.backbone).items():
            torch.testing.assert_close(found[name], value)
    after = phase.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    modules = [each for each in phase.network.modules() if isinstance(each, nn.BatchNorm2d)]
    assert all(each.momentum == 0.1 and not each.training for each in modules)


def test_estimates_are_those_of_the_given_weights(phase_of):
    """Twice the first filter bank: twice the mean, four times the variance, one layer on."""
    phase = phase_of(1)
    weight = phase.network.backbone.body[0].weight.detach()
    one = estimate_statistics(phase, {})
    two = estimate_statistics(phase, {"body.0.weight": 2 * weight})
    torch.testing.assert_close(two["body.1.running_mean"], 2 * one["body.1.running_mean"])
    torch.testing.assert_close(two["body.1.running_var"], 4 * one["body.1.running_var"])
    phase.network.freeze_statistics(affine=False)
    assert estimate_statistics(phase, {}) == {}


@pytest.mark.parametrize("keep", ["all", "statistics"])
def test_bn_per_task_predicts_with_live_convolutions_and_old_norm_states(keep, phase_of):
    learner, first = method("bn_per_task", keep=keep), phase_of(1)
    learner.end_phase(first)
    copy_of = norm_states if keep == "all" else running_statistics
    old = copy_of(first.network.backbone)
    randomise(first.network, 1)
    second = phase_of(2, network=first.network)
    learner.end_phase(second)
    expected = copy.deepcopy(second.network).eval()
    expected.backbone.load_state_dict(old, strict=False)
    images = first_step(second).images
    with torch.no_grad():
        found = learner.predict(second.network.eval(), images, [*first.tasks, *second.tasks])
        torch.testing.assert_close(found["semantic"], expected.outputs(images, ["semantic"])[
            "semantic"])
        torch.testing.assert_close(found["depth"], second.network.outputs(images, ["depth"])[
            "depth"])


def test_reestimation_is_for_old_tasks_only_and_for_their_own_scales(phase_of):
    learner, first = method("bn_per_task", reestimate=True), phase_of(1)
    learner.end_phase(first)
    scales = {name: value for name, value in learner.current.parts["semantic"].items()
              if "running" not in name}
    randomise(first.network, 1)
    second = phase_of(2, network=first.network)
    expected = estimate_statistics(second, scales)
    learner.end_phase(second)
    own = learner.current.parts
    assert all(torch.equal(own["semantic"][name], value)
               for name, value in (scales | expected).items())
    assert all(torch.equal(own["depth"][name], value)
               for name, value in norm_states(second.network.backbone).items())


# Whole runs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "start"), [
    ("lora", "first"), ("lora", "after_first"), ("modulators", "after_first")])
def test_nothing_is_forgotten_and_the_backbone_stays(name, start, tiny, tmp_path):
    states = []
    for end in (1, 2, 3):
        with contextlib.suppress(Stopped):
            tiny(name, settings=SMALL, method_settings=[f"start={start}"],
                 stop_when=lambda p, e, end=end: (p, e) == (end, 0))
        states.append(boundary_state(tmp_path)["network"])
    record = tiny(name, settings=SMALL, method_settings=[f"start={start}"]).record
    assert_constant_rows(record)
    network = Network(tiny_plan(name, settings=SMALL).config.recipe, seed=0)
    own = {f"backbone.{key}" for key in norm_states(network.backbone)}
    states = [network.state_dict(), *states] if start == "first" else states
    for key, value in states[0].items():
        if key.startswith("backbone") and not key.endswith("num_batches_tracked"):
            assert (key in own) != all(torch.equal(value, later[key]) for later in states[1:]), key


def test_each_task_counts_with_its_adapters_and_norm_states(tiny):
    record = tiny("lora", settings=SMALL).record
    network = Network(tiny_plan("lora", settings=SMALL).config.recipe, seed=0)
    norm = sum(value.numel() for name, value in norm_states(network.backbone).items()
               if "running" not in name)
    adapters = sum(value.numel() for _, layer in layers(network.backbone)
                   for value in method("lora").new_adapters(layer).values())
    assert record.cost.parameters_added == 2 * (adapters + norm)
    assert record.cost.carried_bytes == 4 * (adapters + 2 * 2 * norm)  # after the second phase

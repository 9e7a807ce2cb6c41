"""Heads and enlarging against torchvision's ASPP and `F.interpolate`, in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.segmentation.deeplabv3 import ASPP

from benchmark.config.recipe import Recipe
from benchmark.model.dilated import dilated_convolution
from benchmark.model.heads import JOINT_WIDTH, Head, decode_heads, upsample
from benchmark.model.network import Network
from benchmark.tasks import Task

CHANNELS, CLASSES = 6, 3


def recipe(**options):
    return Recipe(**{"epochs": 1, "batch": 4, "lr": 1e-3, "head_channels": 4, "head_dropout": 0.0,
                     **options})


def reference_head(recipe, classes=CLASSES):
    """DeepLabV3's head from torchvision's own parts."""
    width = recipe.head_channels
    aspp = ASPP(CHANNELS, list(recipe.head_rates), width)
    aspp.project[3].p = recipe.head_dropout
    return nn.Sequential(aspp, nn.Conv2d(width, width, 3, padding=1, bias=False),
                         nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, classes, 1))


def results(outputs, features, modules):
    """Outputs, gradients of features and parameters, and what buffers have become."""
    weights = [torch.linspace(-1, 2, raw.numel(), dtype=raw.dtype).view_as(raw) for raw in outputs]
    total = sum((raw * weight).sum() for raw, weight in zip(outputs, weights, strict=True))
    learnt = [features, *(value for module in modules for value in module.parameters())]
    gradients = torch.autograd.grad(total, learnt)
    return [*outputs, *gradients, *(value for module in modules for value in module.buffers())]


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def features_of(size, batch=3):
    generator = torch.Generator().manual_seed(4)
    return torch.randn(batch, CHANNELS, *size, dtype=torch.float64, generator=generator,
                       requires_grad=True)


def test_state_and_first_values_are_torchvisions():
    torch.manual_seed(3)
    own = Head(CHANNELS, CLASSES, recipe())
    torch.manual_seed(3)
    expected = reference_head(recipe()).state_dict()
    assert list(own.state_dict()) == list(expected)
    assert all(torch.equal(value, expected[name]) for name, value in own.state_dict().items())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rates", [(1, 2, 3), (12, 24, 36), ()])
@pytest.mark.parametrize("size", [(6, 8), (12, 16), (20, 30), (1, 1)])
def test_head_computes_what_torchvisions_does(size, rates, training):
    """Rates that fit the map, exceed its height, its width, or both."""
    own = Head(CHANNELS, CLASSES, recipe(head_rates=rates)).double().train(training)
    expected = reference_head(recipe(head_rates=rates)).double().train(training)
    expected.load_state_dict(own.state_dict())
    features = features_of(size)
    assert_equal(results([own(features)], features, [own]),
                 results([expected(features)], features, [expected]))


@pytest.mark.parametrize("width", [4, JOINT_WIDTH + 8])
def test_heads_together_compute_what_each_does(width):
    made = [Head(CHANNELS, classes, recipe(head_channels=width)).double() for classes in (1, 3, 5)]
    apart = copy.deepcopy(made)
    features = features_of((6, 8))
    assert_equal(results(decode_heads(made, features), features, made),
                 results([head(features) for head in apart], features, apart))


def test_heads_of_which_one_is_in_eval_mode_keep_their_modes():
    made = [Head(CHANNELS, CLASSES, recipe()).double() for _ in range(2)]
    made[0].eval()
    apart = copy.deepcopy(made)
    features = features_of((6, 8))
    assert_equal(results(decode_heads(made, features), features, made),
                 results([head(features) for head in apart], features, apart))


def test_dropout_acts_in_training_alone():
    head = Head(CHANNELS, CLASSES, recipe(head_dropout=0.5)).double()
    features = features_of((6, 8))
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("size", "target"), [
    ((6, 8), (48, 64)), ((5, 7), (33, 50)), ((1, 1), (4, 6)), ((6, 8), (6, 8)), ((9, 8), (4, 16))])
def test_upsample_is_bilinear(size, target, align_corners):
    maps = features_of(size)
    expected = F.interpolate(maps, target, mode="bilinear", align_corners=align_corners)
    assert_equal(results([upsample(maps, target, align_corners)], maps, []),
                 results([expected], maps, []))


@pytest.mark.parametrize("align_corners", [False, True])
def test_network_enlarges_in_full_precision_as_the_recipe_says(align_corners):
    network = Network(recipe(align_corners=align_corners), seed=0)
    network.add_head(Task(name="depth", kind="regression", channels=1))
    images = torch.rand(2, 3, 32, 48)
    with torch.autocast("cpu", torch.bfloat16):
        raw = network.decode("depth", network.encode(images))
        large = network.enlarge(raw, (32, 48))
    assert raw.dtype == torch.bfloat16
    torch.testing.assert_close(large, F.interpolate(raw.float(), (32, 48), mode="bilinear",
                                                    align_corners=align_corners))


@pytest.mark.parametrize("size", [(6, 8), (3, 5), (12, 16), (2, 40)])
@pytest.mark.parametrize("dilation", [1, 2, 3, 12])
def test_dilated_convolution_is_exact(size, dilation):
    weight = torch.randn(5, CHANNELS, 3, 3, dtype=torch.float64, requires_grad=True)
    features = features_of(size)
    expected = F.conv2d(features, weight, padding=dilation, dilation=dilation)
    found = dilated_convolution(features, weight, dilation)
    mask = torch.randn_like(expected)
    assert_equal([found, *torch.autograd.grad(found, [features, weight], mask)],
                 [expected, *torch.autograd.grad(expected, [features, weight], mask)])


@pytest.mark.parametrize("frozen", ["features", "weight"])
def test_dilated_convolution_leaves_out_gradients_that_nothing_needs(frozen):
    inputs = {"features": features_of((6, 8)).detach(),
              "weight": torch.randn(5, CHANNELS, 3, 3, dtype=torch.float64)}
    learnt = inputs[({*inputs} - {frozen}).pop()].requires_grad_()
    dilated_convolution(**inputs, dilation=4).sum().backward()
    expected = learnt.grad.clone()
    learnt.grad = None
    F.conv2d(*inputs.values(), padding=4, dilation=4).sum().backward()
    torch.testing.assert_close(expected, learnt.grad)
    assert inputs[frozen].grad is None


def test_dilated_convolution_in_bf16_gives_gradients_of_the_weights_type():
    weight = torch.randn(5, CHANNELS, 3, 3, requires_grad=True)
    features = features_of((6, 8)).detach().float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = dilated_convolution(features, weight, 4)
    found.float().square().sum().backward()
    expected = weight.grad.clone(), features.grad.clone()
    weight.grad = features.grad = None
    F.conv2d(features, weight, padding=4, dilation=4).square().sum().backward()
    assert found.dtype == torch.bfloat16
    for one, other in zip(expected, (weight.grad, features.grad), strict=True):
        assert one.dtype == torch.float32
        assert F.cosine_similarity(one.flatten(), other.flatten(), 0) > 0.999

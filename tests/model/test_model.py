"""The network: the paper's sizes, heads phase by phase, weights that are not at hand."""

from __future__ import annotations

import socket
import time

import pytest
import torch

from benchmark.config.recipe import Recipe
from benchmark.errors import RequestError
from benchmark.model.network import Network
from benchmark.tasks import Task

SEMANTIC = Task(name="semantic", kind="segmentation", channels=13)
DEPTH = Task(name="depth", kind="regression", channels=1)


def recipe(**options):
    return Recipe(**{"epochs": 1, "batch": 4, "lr": 1e-3, **options})


def parameters(module):
    return sum(value.numel() for value in module.parameters())


def test_resnet18_has_the_papers_size():
    """Trunk 11,176,512 and head 4,722,176 + 257 c parameters (HAD, extra parameters)."""
    network = Network(recipe(backbone="resnet18"), seed=0)
    for task in (SEMANTIC, DEPTH):
        network.add_head(task)
        assert parameters(network.heads[task.name]) == 4_722_176 + 257 * task.channels
    assert parameters(network.backbone) == 11_176_512


@pytest.mark.parametrize("backbone", ["narrow", "resnet18", "resnet50"])
def test_features_have_stride_8(backbone):
    network = Network(recipe(backbone=backbone, head_channels=8), seed=0)
    network.add_head(DEPTH)
    network.eval()
    with torch.no_grad():
        features = network.encode(torch.rand(1, 3, 48, 72))
        assert features.shape == (1, network.backbone.channels, 6, 9)
        assert network.outputs(torch.rand(1, 3, 48, 72), ["depth"])["depth"].shape == (1, 1, 48, 72)


def test_adding_a_head_touches_nothing_else():
    network = Network(recipe(head_channels=8), seed=3)
    network.add_head(SEMANTIC)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    network.add_head(DEPTH)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in before.items():
        assert torch.equal(value, network.state_dict()[name])


def test_first_weights_depend_on_seed_and_task_not_on_order():
    one, other = (Network(recipe(head_channels=8), seed=3) for _ in range(2))
    for task in (SEMANTIC, DEPTH):
        one.add_head(task)
    for task in (DEPTH, SEMANTIC):
        other.add_head(task)
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    another = Network(recipe(head_channels=8), seed=4)
    assert not torch.equal(one.state_dict()["backbone.body.0.weight"],
                           another.state_dict()["backbone.body.0.weight"])


def test_recipe_sets_dropout_and_rates():
    network = Network(recipe(head_channels=8, head_dropout=0.25, head_rates=(2, 3)), seed=0)
    network.add_head(DEPTH)
    found = [module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)]
    rates = {module.dilation[0] for module in network.heads.modules()
             if isinstance(module, torch.nn.Conv2d)}
    assert found == [0.25]
    assert rates == {1, 2, 3}


def test_imagenet_weights_out_of_reach_fail_soon_and_clearly(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def unreachable(*args, **kwargs):
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    begin = time.monotonic()
    with pytest.raises(RequestError) as error:
        Network(recipe(backbone="resnet18", weights="imagenet"), seed=0)
    assert time.monotonic() - begin < 10
    assert str(tmp_path) in str(error.value)
    assert "--set recipe.weights=none" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("options", "message"), [
    ({"backbone": "resnet81"}, "Did you mean"),
    ({"backbone": "narrow", "weights": "imagenet"}, "no ImageNet weights"),
    ({"weights": "imagnet"}, "none or imagenet")])
def test_wrong_backbones_are_explained(options, message):
    with pytest.raises(RequestError, match=message):
        Network(recipe(**options), seed=0)

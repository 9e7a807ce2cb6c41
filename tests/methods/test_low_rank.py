"""InfLoRA and SD-LoRA: which matrices change, and what of the old stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.components.low_rank import adapted_rows, matrix_shapes, product
from benchmark.method import phase_batches
from methods.inflora import free_directions
from tests.helpers.phases import make_phase, method, sequence_phase, trainer

SMALL = ("recipe.head_channels=8", "recipe.lr=0.01")
METHODS = ("inflora", "sdlora")


def trained(learner, phase):
    """The phase, begun and trained; not ended yet."""
    learner.begin_phase(phase)
    training = trainer(learner, phase)
    while not training.finished:
        training.train_epoch()
    phase.network.eval()
    return phase


def copied(tensors):
    return {name: value.detach().clone() for name, value in tensors.items()}


# Which matrices ----------------------------------------------------------------------------------


class Attention(nn.Module):
    """Linear layers as transformers name them, and others."""

    def __init__(self):
        super().__init__()
        self.qkv, self.kv, self.q = nn.Linear(2, 6), nn.Linear(2, 4), nn.Linear(2, 2)
        self.v_proj, self.proj, self.conv = nn.Linear(2, 2), nn.Linear(2, 2), nn.Conv2d(3, 2, 1)


@pytest.mark.parametrize(("parts", "expected"), [
    ("kv", {"qkv": "001111", "kv": "1111", "v_proj": "11"}),
    ("qv", {"qkv": "110011", "kv": "0011", "q": "11", "v_proj": "11"})])
def test_in_a_transformer_parts_of_the_attention_change(parts, expected):
    found = adapted_rows(Attention(), parts)
    assert {name.removesuffix(".weight"): "".join(str(int(row)) for row in rows)
            for name, rows in found.items()} == expected


def test_in_other_backbones_all_matrices_change(cache):
    backbone = make_phase(cache).network.backbone
    found, shapes = adapted_rows(backbone, "kv"), matrix_shapes(backbone)
    assert found.keys() == shapes.keys() and all(rows.all() for rows in found.values())
    for name, (groups, outputs, inputs) in shapes.items():
        assert groups * outputs * inputs == backbone.get_parameter(name).numel()


def test_a_product_leaves_other_rows_alone():
    up, down = torch.ones(1, 3, 2), torch.ones(1, 2, 4)
    assert product(up, down, torch.tensor([True, False, True])).tolist() == [
        [2.0] * 4, [0.0] * 4, [2.0] * 4]


# InfLoRA -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_directions_are_the_papers_svd_outside_the_old_inputs(rank):
    generator = np.random.default_rng(2)
    inputs = generator.standard_normal((40, 6)) * [3, 2.5, 2, 1.5, 1, 0.5]
    old = np.linalg.qr(generator.standard_normal((6, 2)))[0]
    gram = inputs.T @ inputs
    expected = np.linalg.svd((np.eye(6) - old @ old.T) @ gram)[0][:, :min(rank, 4)]
    found = free_directions(torch.as_tensor(gram)[None], torch.as_tensor(old)[None], rank)[0]
    np.testing.assert_allclose((found.mT @ found).numpy(), expected @ expected.T, atol=1e-9)
    np.testing.assert_allclose((found @ torch.as_tensor(old)).numpy(), 0, atol=1e-12)
    assert found[4:].abs().sum() < 1e-9


@pytest.mark.parametrize("backbone", ["narrow", "pvt_v2_b0"])
def test_changes_of_inflora_are_orthogonal_to_old_inputs(backbone, cache):
    """Only adapted weights change, by nothing along the bases that the first phase left."""
    learner = method("inflora", rank=4)
    settings = [*SMALL, f"recipe.backbone={backbone}"]
    first = trained(learner, sequence_phase(cache, 1, settings=settings))
    learner.end_phase(first)
    bases, network = copied(learner.bases), first.network
    before = copied(network.backbone.state_dict())
    learner.end_phase(trained(learner, sequence_phase(cache, 2, network, settings=settings)))
    after, rows = network.backbone.state_dict(), adapted_rows(network.backbone, "kv")
    assert rows.keys() == bases.keys()
    assert {name for name, value in after.items()
            if not torch.equal(value, before[name])} <= rows.keys()
    within = whole = 0.0
    for name, basis in bases.items():
        change = (after[name] - before[name]).flatten(1).double()
        assert not change[~rows[name]].any()
        grouped = change.view(len(basis), -1, basis.shape[1])
        within += float((grouped @ basis.double()).square().sum())
        whole += float(change.square().sum())
        assert torch.linalg.matrix_rank(grouped, rtol=1e-3).max() <= 4
    assert whole > 0 and within < 1e-8 * whole


def test_old_inputs_keep_their_outputs_where_all_is_protected(cache):
    """With all energy protected, features of old images stay; finetune's do not."""
    phase = make_phase(cache, settings=SMALL)
    images = next(phase.data.plain(8)).images
    learner = method("inflora", threshold=1.0, positions=10**9)
    phase.network.eval()
    learner.end_phase(phase)
    with torch.no_grad():
        old = phase.network.encode(images)
        changes = []
        for each in (learner, method("finetune")):
            with torch.enable_grad():
                trained(each, phase)
            each.end_phase(phase)
            phase.network.backbone.requires_grad_(True)
            phase.network.backbone_frozen = False
            changes.append(float((phase.network.encode(images) - old).abs().max()))
    assert 100 * changes[0] < changes[1]


# SD-LoRA -----------------------------------------------------------------------------------------


def directions(learner):
    return [{f"{key}.{name}": value for key in ("up", "down") for name, value in each[key].items()}
            for each in learner.state_dict()["directions"]]


def test_frozen_directions_of_sdlora_stay_equal_bit_for_bit(cache):
    learner, backbone, network, kept = method("sdlora", rank=3), None, None, []
    for number in (1, 2, 3):
        phase = sequence_phase(cache, number, network, settings=SMALL)
        network = phase.network
        trained(learner, phase)
        learner.end_phase(phase)
        if number == 1:
            backbone = copied(network.backbone.state_dict())
        else:
            kept.append(copied(directions(learner)[-1]))
            magnitudes = learner.state_dict()["directions"][0]["magnitude"]
            kept[-1] |= {f"s.{name}": value.clone() for name, value in magnitudes.items()}
    found = directions(learner)
    assert len(found) == 2
    for before, after in zip(kept, found, strict=True):
        assert all(torch.equal(value, before[name]) for name, value in after.items())
        assert all(value.norm().item() == pytest.approx(1, rel=1e-4) for value in after.values())
    assert all(torch.equal(value, network.backbone.state_dict()[name])
               for name, value in backbone.items())
    scales = [name for name in kept[0] if name.startswith("s.")]
    assert any(not torch.equal(kept[0][name], kept[1][name]) for name in scales)


def test_the_network_of_sdlora_is_the_sum_of_its_directions(cache):
    """And ending a phase does not change it."""
    learner, network = method("sdlora", rank=2), None
    for number in (1, 2, 3):
        phase = sequence_phase(cache, number, network, settings=SMALL)
        network = trained(learner, phase).network
        images, tasks = next(phase.data.plain(4)).images, phase.tasks
        with torch.no_grad():
            before = learner.predict(network, images, tasks)
            learner.end_phase(phase)
            after = learner.predict(network, images, tasks)
        torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-5)
    weights = {}
    for name, start in network.backbone.named_parameters():
        weights[name] = start.detach().double().clone()
        for each in learner.state_dict()["directions"]:
            if name in each["up"]:
                change = each["up"][name].double() @ each["down"][name].double()
                weights[name] += (each["magnitude"][name] * change).view_as(start)
    with torch.no_grad():
        expected = network.outputs(images, [tasks[0].name],
                                   {name: value.float() for name, value in weights.items()})
    torch.testing.assert_close(after, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_changes_start_without_effect(name, cache):
    learner = method(name)
    phase = make_phase(cache, settings=SMALL)
    phase.network.eval()
    learner.end_phase(phase)
    with torch.no_grad():
        expected = phase.network.encode(next(phase.data.plain(4)).images)
    learner.begin_phase(phase)
    phase.network.eval()
    step = next(phase_batches(phase, 4))
    learner.loss(step)
    torch.testing.assert_close(step.features, expected)

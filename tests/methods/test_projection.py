"""GPM and SGP: inputs of layers, bases against the papers' SVD, and updates in training."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from benchmark.components.projection import (
    extend_bases,
    gram_matrices,
    layer_inputs,
    project,
)
from benchmark.engine import checkpoint
from tests.helpers.phases import method, sequence_phase, trainer

ALL = 10**9
METHODS = ("gpm", "sgp")


def random(seed, *shape):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


# The inputs of a layer -------------------------------------------------------------------------

LAYERS = {
    "plain": nn.Conv2d(4, 6, 3),
    "strided": nn.Conv2d(3, 5, 7, stride=(4, 3), padding=(3, 1)),
    "dilated": nn.Conv2d(4, 6, 3, padding=2, dilation=2),
    "uneven": nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(0, 2), dilation=(3, 1)),
    "grouped": nn.Conv2d(6, 9, 3, stride=2, padding=1, groups=3),
    "depthwise": nn.Conv2d(4, 8, 3, padding=1, groups=4),
    "same": nn.Conv2d(2, 3, 4, padding="same", dilation=2, bias=False),
    "reflected": nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
    **{f"tokens {dims}": nn.Linear(7, 4) for dims in (2, 3, 4)},
}


def by_rows(layer, rows):
    """A layer's outputs [N, out] from its input rows [groups, N, d], without its own forward."""
    weight = layer.weight.reshape(len(rows), -1, rows.shape[-1])
    found = (rows @ weight.mT).permute(1, 0, 2).flatten(1)
    return found if layer.bias is None else found + layer.bias


def in_order(rows):
    return rows[rows[:, 0].argsort()]


@torch.no_grad()
@pytest.mark.parametrize("name", LAYERS)
def test_inputs_times_weights_are_the_layers_outputs(name):
    layer, tokens = LAYERS[name].double(), name.startswith("tokens")
    inputs = random(1, *(2, 3, 4)[:int(name[-1]) - 1], 7) if tokens else random(
        1, 2, layer.in_channels, 12, 15)
    outputs = layer(inputs) if tokens else layer(inputs).movedim(1, -1)
    rows = layer_inputs(layer, inputs, ALL, torch.Generator())
    torch.testing.assert_close(in_order(by_rows(layer, rows)), in_order(outputs.flatten(0, -2)))


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 2, 3), nn.Linear(8, 2)])
def test_a_sample_is_some_of_all_and_depends_on_the_generator_alone(layer):
    images = random(3, 2, 3, 6, 8)
    every = layer_inputs(layer, images, ALL, torch.Generator())[0]
    some = [layer_inputs(layer, images, 10, torch.Generator().manual_seed(seed))[0]
            for seed in (0, 0, 1)]
    assert torch.equal(some[0], some[1]) and not torch.equal(some[0], some[2])
    found = (some[0][:, None] == every).all(-1)
    assert found.shape[0] == 10 and (found.sum(1) == 1).all() and found.any(0).sum() == 10


# Bases and factors, against the papers' SVD ----------------------------------------------------


def papers_phase(rows, bases, factors, share, scale):
    """One phase of GPM (scale None) or SGP by the papers: SVD of the matrix of inputs [d, N]."""
    total = (rows**2).sum()
    left, values, _ = np.linalg.svd(rows - bases @ bases.T @ rows)
    values = np.pad(values, (0, len(left) - len(values)))
    count, covered = 0, total - (values**2).sum()
    while covered < share * total - 1e-12 * total:
        covered += values[count] ** 2
        count += 1
    basis, singular, _ = np.linalg.svd(bases @ bases.T @ rows)
    singular = np.pad(singular, (0, len(basis) - len(singular)))
    old = np.sqrt((bases.T @ basis) ** 2 @ singular**2)
    strength = np.concatenate([old, values[:count]])
    new = ((scale + 1) * strength / (scale * strength + strength.max()) if scale is not None
           else np.ones_like(strength))
    new[:len(factors)] = np.clip(new[:len(factors)] + factors, 0, 1)
    return np.concatenate([bases, left[:, :count]], 1), new


@pytest.fixture
def end_phase(monkeypatch):
    """Ends a method's phase on a network of one layer, whose groups have given inputs [d, N]."""

    def end(learner, number, rows):
        gram = torch.stack([torch.as_tensor(x @ x.T) for x in rows])
        monkeypatch.setattr("benchmark.components.projection.gram_matrices",
                            lambda *_: {"weight": gram})
        learner.end_phase(SimpleNamespace(number=number))
        return learner.bases["weight"], learner.factors["weight"]

    return end


@pytest.mark.parametrize("share", (0.5, 0.9, 0.99, 1.0))
@pytest.mark.parametrize("scale", (None, 0.0, 3.0, 10.0))
def test_three_phases_are_the_papers(scale, share, end_phase):
    options = {} if scale is None else {"scale": scale}
    ours = method("gpm" if scale is None else "sgp", threshold=share, increment=0.0, **options)
    generator, d = np.random.default_rng(4), 12
    papers = [(np.zeros((d, 0)), np.zeros(0)) for _ in range(2)]  # of two groups of channels
    for number in (1, 2, 3):
        tilt = [np.diag(generator.uniform(0.02, 2, d) ** 2) for _ in range(2)]
        rows = [each @ generator.standard_normal((d, 5 * number)) for each in tilt]
        bases, factors = end_phase(ours, number, rows)
        papers = [papers_phase(rows[i], *papers[i], share, scale) for i in range(2)]
        assert bases.shape[-1] == max(len(each[1]) for each in papers) <= d
        for group, (expected, lam) in enumerate(papers):
            np.testing.assert_allclose((bases * factors[:, None] @ bases.mT)[group],
                                       expected * lam @ expected.T, atol=2e-5)
            np.testing.assert_allclose(factors[group, :len(lam)], lam, atol=2e-5)
            assert not bases[group, :, len(lam):].any()


def test_the_threshold_rises_with_the_phases(end_phase):
    rows = np.diag(np.sqrt([0.5, 0.25, 0.15, 0.10]))
    for number, rank in ((1, 1), (2, 2), (3, 3), (4, 4), (9, 4)):
        bases, _ = end_phase(method("gpm", threshold=0.5, increment=0.2), number, [rows])
        assert bases.shape == (1, 4, rank)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.1, 1.0), rank=st.integers(0, 6),
       scale=st.sampled_from([1e-6, 3.0, 1e8]))
def test_bases_are_orthonormal_and_as_few_as_cover_the_share(seed, share, rank, scale):
    gram = random(seed, 2, 8, 5)
    gram = scale * gram @ gram.mT
    old = torch.linalg.qr(random(seed + 1, 2, 8, 8)).Q[..., :rank]
    bases, energy = extend_bases(gram, old.float().double(), share)
    alone, _ = extend_bases(gram[:1] / scale, old[:1].float().double(), share)
    torch.testing.assert_close(alone @ alone.mT, (bases @ bases.mT)[:1])
    total = gram.diagonal(dim1=-2, dim2=-1).sum(-1)
    for group in range(2):
        used = bases[group].any(0)
        product = bases[group][:, used].mT @ bases[group][:, used]
        torch.testing.assert_close(product, torch.eye(len(product), dtype=product.dtype))
        torch.testing.assert_close(energy[group], (gram @ bases * bases).sum(-2)[group],
                                   atol=1e-9 * float(total[group]), rtol=1e-6)
        covered = energy[group].cumsum(0) / total[group]
        assert covered[-1] >= share - 1e-9
        count = int(used.sum())
        assert rank <= count <= 8 and (count in (1, rank) or covered[count - 2] < share)


def test_no_input_no_basis(end_phase):
    for name in METHODS:
        assert end_phase(method(name), 1, [np.zeros((4, 4))])[0].shape == (1, 4, 0)


def test_a_projection_is_a_product_of_matrices():
    update, bases, factors = random(5, 6, 2, 3, 3), random(6, 2, 18, 4), random(7, 2, 4).abs()
    for group, part in enumerate(update.chunk(2)):
        matrix = bases[group] @ torch.diag(factors[group]) @ bases[group].mT
        torch.testing.assert_close(project(update, bases, factors).chunk(2)[group],
                                   (part.flatten(1) @ matrix).view_as(part))


# Updates in training ---------------------------------------------------------------------------


@pytest.fixture
def second_phase(cache):
    """The phase of a second task, on a network with two heads."""
    return lambda *settings, backbone="narrow": sequence_phase(
        cache, 2, settings=[f"recipe.backbone={backbone}", "recipe.weight_decay=0.1", *settings])


def changed(phase, learner):
    """Names of the network's tensors that an epoch changes."""
    before = {name: value.clone() for name, value in phase.network.state_dict().items()}
    trainer(learner, phase).train_epoch()
    return {name for name, value in phase.network.state_dict().items()
            if not torch.equal(value, before[name])}


@pytest.mark.parametrize("backbone", ["narrow", "pvt_v2_b0"])
def test_the_identity_as_projection_leaves_the_backbone_as_it_was(backbone, second_phase):
    phase = second_phase("recipe.optimizer=adamw", backbone=backbone)
    learner = method("gpm")
    shapes = {name: (1, gram.shape[-1]) if len(gram) == 1 else gram.shape[:2]
              for name, gram in gram_matrices(phase, 2, 8).items()}
    learner.load_state_dict({
        "bases": {name: torch.eye(d).repeat(groups, 1, 1) for name, (groups, d) in shapes.items()},
        "factors": {name: torch.ones(shape) for name, shape in shapes.items()}})
    learner.begin_phase(phase)
    names = changed(phase, learner)
    assert names and all(name.startswith("heads.depth") for name in names)


@pytest.mark.parametrize("backbone", ["narrow", "pvt_v2_b0"])
def test_every_layer_has_a_gram_matrix(backbone, second_phase):
    """All matrices of the backbone have a Gram matrix, of their own input size and groups."""
    phase = second_phase(backbone=backbone)
    found = gram_matrices(phase, images=3, positions=16)
    wanted = {name: value for name, value in phase.network.backbone.named_parameters()
              if value.dim() > 1}
    assert found.keys() == wanted.keys()
    for name, gram in found.items():
        layer = phase.network.backbone.get_submodule(name.removesuffix(".weight"))
        assert gram.shape == (getattr(layer, "groups", 1), *2 * (wanted[name][0].numel(),))
        assert gram.dtype == torch.float64 and gram.isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_protected_inputs_keep_their_outputs(name, second_phase):
    """With all inputs protected, old outputs on these images stay while the backbone is trained."""
    phase = second_phase("recipe.schedule=constant")
    task, images = phase.old_tasks[0].name, next(phase.data.plain(8)).images
    phase.network.eval()
    options = {"scale": 1e9} if name == "sgp" else {}  # then it is gpm
    learner = method(name, threshold=1.0, positions=ALL, **options)
    learner.end_phase(phase)
    learner.begin_phase(phase)
    with torch.no_grad():
        old = phase.network.outputs(images, [task])[task]
    changes = []
    for each in (learner, method("finetune")):
        assert "backbone.body.5.conv2.weight" in changed(phase, each)
        phase.network.eval()
        with torch.no_grad():
            changes.append(float((phase.network.outputs(images, [task])[task] - old).abs().max()))
    assert 1e3 * changes[0] < changes[1]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_no_movement_inside_the_protected_space(optimizer, second_phase):
    phase = second_phase(f"recipe.optimizer={optimizer}", "recipe.epochs=6",
                         f"recipe.lr={0.1 if optimizer == 'sgd' else 0.003}")
    phase.network.eval()
    learner = method("gpm", threshold=0.9)
    learner.end_phase(phase)
    learner.begin_phase(phase)
    before = {name: value.clone() for name, value in phase.network.backbone.state_dict().items()}
    training = trainer(learner, phase)
    while not training.finished:
        training.train_epoch()
    within = whole = 0.0
    for name, value in phase.network.backbone.state_dict().items():
        change = (value - before[name]).double()
        if name in learner.bases:
            bases = learner.bases[name].double()
            within += float(project(change, bases, torch.ones(bases.shape[::2])).square().sum())
            whole += float(change.square().sum())
        assert change.any() == (name in learner.bases)
    assert math.sqrt(within / whole) < 1e-5


def test_nothing_is_protected_on_a_new_backbone(second_phase):
    phase = second_phase()
    learner = method("gpm")
    learner.end_phase(phase)
    assert checkpoint.tensor_bytes(learner.state_dict()) > 0
    learner.before_backbone_change(phase.network)
    assert checkpoint.tensor_bytes(learner.state_dict()) == 0
    learner.begin_phase(phase)
    free = {"backbone.body.0.weight", "backbone.body.1.weight", "backbone.body.1.running_mean"}
    assert free <= changed(phase, learner)

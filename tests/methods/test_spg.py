"""SPG: importances against a slow reference, and what the mask does to a step."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from benchmark.engine import checkpoint
from benchmark.method import Step
from benchmark.model.network import Network
from methods.spg import soft_mask
from tests.helpers.phases import method, sequence_phase, trainer
from tests.helpers.tiny import tiny_plan


def spg(**options):
    return method("spg", **options)


@pytest.fixture
def phase_of(cache):
    """A phase of `rooms5` by its number."""
    return lambda number, *settings: sequence_phase(
        cache, number, sequence="rooms5_s1",
        settings=["dataset.train=20", "recipe.schedule=constant", *settings])


def state(phase, mask, heads=()):
    """A method's state with the same mask (a function of a parameter) everywhere."""
    parameters = phase.network.backbone.named_parameters()
    return {"mask": {name: mask(value.detach()) for name, value in parameters},
            "heads": list(heads)}


def parts(network, of):
    return {name: value.detach().clone() for name, value in network.named_parameters()
            if name.startswith(of)}


# Importances -----------------------------------------------------------------------------------


def supervised(task, raw, target):
    """The new task's loss of a batch, spelt out."""
    if task.kind == "segmentation":
        return F.cross_entropy(raw, target.long(), ignore_index=255)
    if task.kind == "direction":
        return 1 - F.cosine_similarity(raw, target.double(), dim=1).mean()
    return (raw - target).abs().mean()


def slow(phase, known):
    """max_j |tanh(z_j)| in float64, one head after the other, one batch after the other."""
    network, found = phase.network, {}
    for task in (*phase.tasks, *known):
        sums = {name: 0.0 for name, _ in network.backbone.named_parameters()}
        for batch in phase.data.plain(phase.network.recipe.batch):
            network.zero_grad()
            raw = network.outputs(batch.images, [task.name])[task.name]
            value = (raw.sum() if task in known
                     else supervised(task, raw, batch.targets[task.name]) * len(raw))
            value.backward()
            for name, parameter in network.backbone.named_parameters():
                sums[name] = sums[name] + parameter.grad.numpy()
        for name, h in sums.items():
            z = np.abs(np.tanh((h - h.mean()) / h.std(ddof=1)))
            found[name] = np.maximum(found.get(name, 0), z)
    return found


@pytest.mark.parametrize("number", [1, 2, 3])
def test_importances_are_those_of_the_slow_reference(number, phase_of):
    """Each of the first three tasks as the new one: segmentation, regression, direction."""
    phase = phase_of(number)
    phase.network.double().eval()
    learner = spg()
    learner.load_state_dict({"mask": {}, "heads": [task.name for task in phase.old_tasks]})
    learner.end_phase(phase)
    mask = learner.state_dict()["mask"]
    for name, expected in slow(phase, phase.old_tasks).items():
        np.testing.assert_allclose(mask[name], expected, atol=1e-6)
    assert learner.state_dict()["heads"] == list(phase.network.tasks)


def test_the_reference_covers_three_kinds(phase_of):
    kinds = [task.kind for task in phase_of(3).network.tasks.values()]
    assert set(kinds) == {"segmentation", "regression", "direction"}


def test_importances_only_grow(phase_of):
    phase = phase_of(1)
    phase.network.eval()
    learner, fresh = spg(), spg()
    fresh.end_phase(phase)
    old = state(phase, torch.rand_like)
    learner.load_state_dict(old)
    learner.end_phase(phase)
    for name, mask in learner.state_dict()["mask"].items():
        assert torch.equal(mask, torch.maximum(old["mask"][name], fresh.state_dict()["mask"][name]))


def test_the_unit_of_a_loss_does_not_matter(phase_of, monkeypatch):
    phase = phase_of(2)
    phase.network.double().eval()
    masks = []
    for factor in (1, 10):
        losses = Step.new_losses
        monkeypatch.setattr(Step, "new_losses", lambda step, f=factor, of=losses: {
            name: f * loss for name, loss in of(step).items()})
        learner = spg()
        learner.end_phase(phase)
        masks.append(learner.state_dict()["mask"])
    for name, mask in masks[0].items():
        torch.testing.assert_close(mask, masks[1][name])


def test_heads_that_were_trained_on_another_backbone_do_not_count(phase_of):
    phase = phase_of(2)
    phase.network.eval()
    fresh, learner = spg(), spg()
    fresh.end_phase(phase)
    learner.load_state_dict(state(phase, torch.ones_like, ["semantic"]))
    learner.before_backbone_change(phase.network)
    assert checkpoint.tensor_bytes(learner.state_dict()) == 0
    learner.end_phase(phase)
    assert learner.state_dict()["heads"] == fresh.state_dict()["heads"]
    for name, mask in fresh.state_dict()["mask"].items():
        assert torch.equal(mask, learner.state_dict()["mask"][name])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.integers(2, 60), factor=st.floats(1e-6, 1e6),
       shift=st.floats(-10, 10))
def test_importance_is_of_differences_in_any_unit(seed, size, factor, shift):
    total = torch.tensor(np.random.default_rng(seed).standard_normal(size))
    found = soft_mask(total)
    assert ((found >= 0) & (found < 1)).all() and found.any()
    torch.testing.assert_close(soft_mask(factor * (total + shift)), found)
    torch.testing.assert_close(soft_mask(-total), found)
    torch.testing.assert_close(soft_mask(total.flip(0)), found.flip(0))


@pytest.mark.parametrize("total", [torch.zeros(4), torch.full((2, 3), 7.0), torch.tensor([3.0]),
                                   torch.tensor(2.0)])
def test_entries_that_are_all_alike_have_none(total):
    assert torch.equal(soft_mask(total), torch.zeros_like(total))


def test_importance_of_normal_gradients_has_the_known_mean():
    total = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    assert float(soft_mask(total).mean()) == pytest.approx(0.556, abs=0.005)


# The masked step -------------------------------------------------------------------------------


def changes(phase, learner, mask):
    """How an epoch changes backbone and heads."""
    if mask is not None:
        learner.load_state_dict(state(phase, mask))
    learner.begin_phase(phase)
    before = parts(phase.network, "")
    trainer(learner, phase).train_epoch()
    return {name: value - before[name] for name, value in parts(phase.network, "").items()}


def test_a_full_mask_stops_everything_and_an_empty_one_nothing(phase_of):
    free = changes(phase_of(2), method("finetune"), None)
    stopped = changes(phase_of(2), spg(), torch.ones_like)
    assert not any(change.any() for change in stopped.values())
    loose = changes(phase_of(2), spg(), torch.zeros_like)
    assert all(torch.equal(change, free[name]) for name, change in loose.items())
    assert any(change.any() for change in free.values())


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_mask_shortens_the_first_step_by_itself(optimizer, phase_of):
    """Also under Adam, whose steps do not depend on the scale of gradients."""
    def one_step():
        return phase_of(2, "recipe.batch=8", f"recipe.optimizer={optimizer}",
                        "recipe.weight_decay=0.1", "recipe.lr=0.01")

    free = changes(one_step(), method("finetune"), None)
    masked = changes(one_step(), spg(strength=0.5), lambda value: torch.linspace(
        0, 1, value.numel()).view_as(value))
    for name, change in free.items():
        ramp = torch.linspace(0, 1, change.numel()).view_as(change)
        factor = 1 - 0.5 * (ramp if name.startswith("backbone") else 0.5)
        torch.testing.assert_close(masked[name], factor * change, rtol=1e-3, atol=2e-7)
    assert any(change.any() for change in free.values())


@pytest.mark.parametrize("frozen", [False, True])
def test_statistics_are_frozen_only_if_set_and_never_in_the_first_phase(frozen, phase_of):
    phase = phase_of(2)
    learner, first = spg(freeze_statistics=frozen), spg(freeze_statistics=frozen)
    first.begin_phase(phase)
    assert not phase.network.statistics_frozen
    learner.load_state_dict(state(phase, lambda value: torch.full_like(value, 0.3)))
    learner.begin_phase(phase)
    before = {name: value.clone() for name, value in phase.network.backbone.state_dict().items()}
    trainer(learner, phase).train_epoch()
    for name, value in phase.network.backbone.state_dict().items():
        unchanged = frozen and ("running" in name or "tracked" in name)
        assert torch.equal(value, before[name]) == unchanged, name


def test_a_run_carries_one_mask_and_gives_numbers(tiny):
    outcome = tiny("spg", settings=["recipe.epochs=1"])
    network = Network(tiny_plan("spg").config.recipe, seed=0)
    weights = sum(value.numel() for value in network.backbone.parameters())
    assert outcome.record.cost.carried_bytes == 4 * weights
    last = [values[-1] for metrics in outcome.record.matrix.values() for values in metrics.values()]
    assert all(map(math.isfinite, last))

"""PackNet and WSN: which weights a task has, and that nobody changes them afterwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.components.bits import unpack_bits
from benchmark.components.subnetworks import masked_weights
from benchmark.model.network import Network
from methods.packnet import largest
from methods.wsn import straight_through, top_share
from tests.helpers.outcomes import assert_constant_rows
from tests.helpers.phases import method, sequence_phase, trainer
from tests.helpers.tiny import tiny_plan

SMALL = ("recipe.head_channels=8", "recipe.weight_decay=0.1")
METHODS = ("packnet", "wsn")


def trained_phases(learner, cache, backbone="narrow"):
    """Three phases that a method was trained in, on one network."""
    network = None
    for number in (1, 2, 3):
        phase = sequence_phase(cache, number, network,
                               settings=[*SMALL, f"recipe.backbone={backbone}"])
        network = phase.network
        learner.begin_phase(phase)
        training = trainer(learner, phase)
        while not training.finished:
            training.train_epoch()
        network.eval()
        learner.end_phase(phase)
        yield phase


def masks_of(learner, network):
    """Bool, by task, over all masked weights one after another."""
    count = sum(weight.numel() for weight in masked_weights(network.backbone).values())
    return {task: unpack_bits(part["mask"], count).numpy()
            for task, part in learner.current.parts.items()}


def weights_of(network):
    return torch.cat([weight.detach().flatten()
                      for weight in masked_weights(network.backbone).values()]).numpy()


def sizes_of(network):
    return np.cumsum([weight.numel() for weight in masked_weights(network.backbone).values()])


# Whole phases ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_weights_of_old_tasks_are_equal_bit_for_bit_after_later_phases(name, cache):
    learner, seen = method(name), {}
    for phase in trained_phases(learner, cache):
        weights, masks = weights_of(phase.network), masks_of(learner, phase.network)
        seen[phase.label] = weights
        for task, before in seen.items():
            assert np.array_equal(weights[masks[task]], before[masks[task]])
    assert len(seen) == 3
    free = ~np.any(list(masks.values()), axis=0)
    assert free.any() and not free.all()


def test_each_task_of_packnet_has_half_of_what_was_free(cache):
    learner = method("packnet", pruned=0.5)
    *_, phase = trained_phases(learner, cache)
    masks, ends = masks_of(learner, phase.network), sizes_of(phase.network)
    for start, end in zip((0, *ends[:-1]), ends, strict=True):
        free = end - start
        for mask in masks.values():
            assert mask[start:end].sum() == math.ceil(free / 2)
            free -= math.ceil(free / 2)
    assert np.sum(list(masks.values()), axis=0).max() == 1
    free = ~np.any(list(masks.values()), axis=0)
    assert not weights_of(phase.network)[free].any()


def test_a_task_of_packnet_sees_its_own_and_earlier_weights(cache):
    learner = method("packnet")
    *_, phase = trained_phases(learner, cache)
    masks, weights = masks_of(learner, phase.network), weights_of(phase.network)
    visible = np.zeros_like(weights, dtype=bool)
    for task, mask in masks.items():
        visible |= mask
        found = learner.weights(phase.network, learner.current, task)
        flat = torch.cat([found[name].flatten() for name in masked_weights(phase.network.backbone)])
        assert np.array_equal(flat.numpy(), weights * visible)


def test_a_task_of_wsn_sees_the_share_of_largest_scores(cache):
    learner = method("wsn", density=0.3)
    *_, phase = trained_phases(learner, cache)
    masks, weights = masks_of(learner, phase.network), weights_of(phase.network)
    for task, mask in masks.items():
        found = learner.weights(phase.network, learner.current, task)
        for name, weight in masked_weights(phase.network.backbone).items():
            kept = (found[name] != 0).sum()
            assert kept <= math.ceil(0.3 * weight.numel()) <= kept + (weight == 0).sum()
        flat = torch.cat([found[name].flatten() for name in masked_weights(phase.network.backbone)])
        assert np.array_equal(flat.numpy(), weights * mask)
    scores = torch.cat([value.abs().flatten() for value in learner.state_dict()["scores"].values()])
    ends = sizes_of(phase.network)
    for start, end in zip((0, *ends[:-1]), ends, strict=True):
        last, own = scores[start:end].numpy(), masks["normal"][start:end]
        assert last[own].min() > last[~own].max(initial=0)


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_forgotten_and_a_mask_costs_a_bit_per_weight(name, tiny):
    record = tiny(name, settings=SMALL).record
    assert_constant_rows(record)
    network = Network(tiny_plan(name, settings=SMALL).config.recipe, seed=0)
    weights = sum(weight.numel() for weight in masked_weights(network.backbone).values())
    others = sum(value.numel() for value in network.backbone.parameters()) - weights
    assert record.cost.parameters_added == 3 * (-(-weights // 32) + others) - others


# Choosing weights --------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(data=st.data(), share=st.sampled_from([0.25, 0.5, 0.75]))
def test_pruning_keeps_the_largest_free_weights(data, share):
    values = data.draw(st.lists(st.integers(-50, 50), min_size=1, max_size=20, unique_by=abs))
    free = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    found = largest(torch.tensor(values, dtype=torch.float64), torch.tensor(free), share).tolist()
    order = sorted((abs(value) for value, is_free in zip(values, free, strict=True) if is_free),
                   reverse=True)
    kept = set(order[:math.ceil(share * len(order))])
    assert found == [is_free and abs(value) in kept
                     for value, is_free in zip(values, free, strict=True)]


def test_the_gradient_of_a_mask_is_that_of_the_magnitude():
    scores = torch.tensor([3.0, -1.0, 0.5, -2.0], requires_grad=True)
    mask = straight_through(scores, 0.5)
    assert mask.tolist() == [1, 0, 0, 1]
    (mask * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert scores.grad.tolist() == [1, -2, 3, -4]
    assert top_share(torch.tensor([1.0, 2.0, 3.0]), 0.1).tolist() == [False, False, True]

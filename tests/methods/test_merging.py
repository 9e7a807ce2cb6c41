"""EMR merging and running averages, against slow references."""

from __future__ import annotations

import contextlib
import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn
from torch.nn.utils import parameters_to_vector

from benchmark.components.bits import pack_bits, unpack_bits
from benchmark.components.isolation import estimate_statistics, running_statistics
from benchmark.engine import checkpoint
from benchmark.engine.options import Stopped
from benchmark.model.network import Network
from methods.emr import merge, split_vector, tensor_shares
from tests.helpers.outcomes import boundary_state
from tests.helpers.phases import method, moved_phases
from tests.helpers.tiny import tiny_plan

SMALL = ("recipe.head_channels=8",)
SIZES = (1, 2, 3)
"""Entries of the tensors that the vectors below are made of."""
VECTORS = hnp.arrays(float, st.tuples(st.integers(1, 5), st.just(sum(SIZES))),
                     elements=st.integers(-40, 40).map(lambda number: number / 8))
SHARE = torch.cat([torch.full((size,), 1 / size, dtype=torch.float64) for size in SIZES])


def flat(module):
    """All parameters of a module as one vector, detached."""
    return parameters_to_vector(module.parameters()).detach()


def merged(vectors):
    return merge(torch.as_tensor(np.asarray(vectors)), SHARE)


def slow_merge(vectors):
    """Entry by entry, tensor by tensor, as the paper and its code have it."""
    count, entries = vectors.shape
    unified, masks = np.zeros(entries), np.zeros((count, entries), dtype=bool)
    for i in range(entries):
        sign = 1 if sum(vectors[:, i]) > 0 else -1
        for k in range(count):
            if vectors[k, i] * sign > 0:
                masks[k, i] = True
                unified[i] = sign * max(abs(unified[i]), abs(vectors[k, i]))
    return unified, masks, [ratio(size(vectors[k]), size(unified * masks[k]))
                            for k in range(count)]


def size(vector):
    """Sum over tensors of the mean magnitude."""
    parts = np.split(np.abs(vector), np.cumsum(SIZES)[:-1])
    return sum(part.mean() for part in parts)


def ratio(wanted, found):
    return wanted / found if found else 0.0


# EMR ---------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(vectors=VECTORS)
def test_merging_matches_the_loops(vectors):
    found, (unified, masks, scales) = merged(vectors), slow_merge(vectors)
    np.testing.assert_array_equal(found.unified.numpy(), unified)
    np.testing.assert_array_equal(found.masks.numpy(), masks)
    np.testing.assert_allclose(found.scales.numpy(), scales, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(vectors=VECTORS, factor=st.sampled_from([0.25, 2.0, 64.0]), data=st.data())
def test_order_does_not_matter_and_a_common_factor_goes_through(vectors, factor, data):
    order = data.draw(st.permutations(range(len(vectors))))
    one, other = merged(vectors), merged(factor * vectors[list(order)])
    assert torch.equal(other.unified, factor * one.unified)
    assert torch.equal(other.masks, one.masks[list(order)])
    torch.testing.assert_close(other.scales, one.scales[list(order)])


@settings(max_examples=40, deadline=None)
@given(vectors=VECTORS)
def test_a_task_keeps_the_size_of_its_vector_and_its_signs(vectors):
    found = merged(vectors)
    for vector, mask, scale in zip(vectors, found.masks, found.scales, strict=True):
        merged_vector = (scale * mask * found.unified).numpy()
        assert (merged_vector * vector >= 0).all()
        if mask.any():
            assert math.isclose(size(merged_vector), size(vector), rel_tol=1e-9)


@settings(max_examples=40, deadline=None)
@given(vectors=VECTORS)
def test_one_vector_alone_and_vectors_alike_are_kept(vectors):
    for alike in (vectors[:1], np.repeat(vectors[:1], 3, axis=0)):
        found = merged(alike)
        torch.testing.assert_close(found.scales[:, None] * found.masks * found.unified,
                                   torch.as_tensor(alike))


@settings(max_examples=40, deadline=None)
@given(bits=hnp.arrays(bool, st.integers(1, 70)))
def test_bits_are_packed_eight_to_a_byte(bits):
    packed = pack_bits(torch.as_tensor(bits))
    np.testing.assert_array_equal(packed.numpy(), np.packbits(bits, bitorder="little"))
    assert unpack_bits(packed, len(bits)).tolist() == bits.tolist()


def test_vectors_are_parameters_one_after_another():
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    whole = flat(module)
    named = dict(module.named_parameters())
    assert len(whole) == sum(value.numel() for value in named.values())
    back = split_vector(whole, module)
    assert back.keys() == named.keys()
    assert all(torch.equal(value, named[name]) for name, value in back.items())
    assert math.isclose(float(tensor_shares(module).sum()), len(named), rel_tol=1e-6)


def boundaries(tiny, folder, method, method_settings=()):
    """The network's and the method's state after each of three phases, and the record."""
    states = []
    for end in (1, 2, 3):
        with contextlib.suppress(Stopped):
            tiny(method, settings=SMALL, method_settings=method_settings, runs=folder,
                 stop_when=lambda p, e, end=end: (p, e) == (end, 0))
        states.append(boundary_state(folder))
    return states


def test_emr_carries_one_vector_and_bits(tiny, tmp_path):
    """After every phase the network is back at its first weights; all else is in the state."""
    states = boundaries(tiny, tmp_path / "runs", "emr")
    network = Network(tiny_plan("emr", settings=SMALL).config.recipe, seed=0)
    entries = len(flat(network.backbone))
    running = sum(value.numel() for value in running_statistics(network.backbone).values())
    for tasks, state in enumerate(states, start=1):
        assert all(torch.equal(value, state["network"][f"backbone.{name}"])
                   for name, value in network.backbone.state_dict().items())
        assert checkpoint.tensor_bytes(state["method"]) == 4 * entries + tasks * (
            -(-entries // 8) + 4 + 4 * running)
    record = tiny("emr", settings=SMALL).record
    assert record.cost.parameters_added == entries + 3 * (-(-entries // 32) + 1)


def test_emr_merges_old_vectors_as_they_were_kept(tiny, tmp_path):
    """After two phases: the first task's vector is whole, and merged with the second's own."""
    (one, two, _), trained = boundaries(tiny, tmp_path / "runs", "emr"), {}
    network = Network(tiny_plan("emr", settings=SMALL).config.recipe, seed=0)
    first = flat(network.backbone)
    separate = boundaries(tiny, tmp_path / "separate", "separate")
    for task, part in separate[1]["method"]["home"]["own"].items():
        network.backbone.load_state_dict(part)
        trained[task] = flat(network.backbone) - first
    shared = one["method"]["home"]
    kept = shared["own"]["semantic"]["scale"] * shared["common"]["unified"]
    torch.testing.assert_close(kept, trained["semantic"], rtol=1e-4, atol=1e-7)
    expected = merge(torch.stack([kept, trained["depth"]]), tensor_shares(network.backbone))
    shared = two["method"]["home"]
    torch.testing.assert_close(shared["common"]["unified"], expected.unified)
    for part, mask, scale in zip(shared["own"].values(), expected.masks, expected.scales,
                                 strict=True):
        assert torch.equal(unpack_bits(part["mask"], len(first)), mask)
        torch.testing.assert_close(part["scale"], scale)


def test_emr_alone_is_a_separate_model(tiny):
    """With one task merged, the prediction is the trained network's."""
    one, other = (tiny(name, settings=SMALL).record.matrix["semantic"]
                  for name in ("emr", "separate"))
    for metric, values in one.items():
        assert math.isclose(values[0], other[metric][0], rel_tol=1e-4)


# Averaging ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [1.0, 0.3])
@pytest.mark.parametrize("start", ["average", "first"])
def test_the_network_goes_to_the_running_mean(start, strength, cache):
    learner = method("averaging", start=start, strength=strength)
    before, thetas = None, []
    for phase, began, moved in moved_phases(learner, cache, SMALL):
        heads = copy.deepcopy(phase.network.heads.state_dict())
        began, theta = (joined(each) for each in (began, moved))
        thetas.append(theta)
        found = flat(phase.network.backbone).double()
        if before is None:
            first = began
            assert torch.equal(found, theta)
        else:
            torch.testing.assert_close(began, first if start == "first" else before)
            mean = torch.stack(thetas).mean(0)
            torch.testing.assert_close(found, theta + strength * (mean - theta),
                                       rtol=1e-5, atol=1e-6)
            expected = estimate_statistics(phase, {})
            for name, value in running_statistics(phase.network.backbone).items():
                torch.testing.assert_close(value, expected[name])
        assert all(torch.equal(value, heads[name])
                   for name, value in phase.network.heads.state_dict().items())
        before = found


def joined(parameters):
    """Parameters by name as one vector, in float64."""
    return torch.cat([value.flatten() for value in parameters.values()]).double()


def test_averaging_carries_nothing_but_the_network(tiny):
    cost = tiny("averaging", settings=SMALL).record.cost
    assert (cost.carried_bytes, cost.parameters_added) == (0, 0)

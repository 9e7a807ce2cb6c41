"""The buffer of exemplars: within its budget, fair to all that is offered, exactly restored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from benchmark.components.buffer import IMAGE, OUTPUT, TARGET, Buffer, Sample, compact
from benchmark.engine import checkpoint

KEY = 8
OFFERS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3)), max_size=30,
                  unique_by=lambda offer: offer[0])
"""(key, task); samples of a task are of one size."""


def sample(key, task=0, mark=0):
    """A sample of (task + 1) * 12 bytes and its key."""
    return Sample(key, {IMAGE: torch.full((3, task + 1, 4), mark, dtype=torch.uint8)})


def filled(budget, offers, quotas=False):
    buffer = Buffer(budget, quotas)
    for mark, (key, task) in enumerate(offers):
        buffer.add(f"task{task}", sample(key, task, mark))
    return buffer


def held(buffer):
    return {(kept.key, task) for task, shelf in buffer.samples.items() for kept in shelf}


def fitting(budget, offers):
    """What should be kept: in order of keys, as long as everything so far fits."""
    kept, total = set(), 0
    for key, task in sorted(offers):
        total += KEY + 12 * (task + 1)
        if total > budget:
            break
        kept.add((key, f"task{task}"))
    return kept


@settings(max_examples=200, deadline=None)
@given(offers=OFFERS, budget=st.integers(0, 600), order=st.randoms())
def test_the_smallest_keys_that_fit_are_kept_in_whatever_order_they_come(offers, budget, order):
    shuffled = list(offers)
    order.shuffle(shuffled)
    assert held(filled(budget, offers)) == fitting(budget, offers)
    assert held(filled(budget, shuffled)) == fitting(budget, offers)


@settings(max_examples=100, deadline=None)
@given(offers=OFFERS, budget=st.integers(0, 600), quotas=st.booleans())
def test_never_over_budget_and_bytes_are_those_of_the_tensors(offers, budget, quotas):
    buffer = Buffer(budget, quotas)
    for key, task in offers:
        buffer.add(f"task{task}", sample(key, task))
        assert buffer.bytes == checkpoint.tensor_bytes(buffer.state_dict()) <= budget


@settings(max_examples=100, deadline=None)
@given(offers=OFFERS, budget=st.integers(0, 600))
def test_quotas_are_equal_and_hold_each_task_s_smallest_keys(offers, budget):
    buffer = filled(budget, offers, quotas=True)
    for task, shelf in buffer.samples.items():
        size = KEY + 12 * (int(task[-1]) + 1)
        keys = sorted(key for key, number in offers if f"task{number}" == task)
        room = budget // len(buffer.samples) // size
        assert [kept.key for kept in shelf] == keys[:room]


def inclusion(rounds, tasks, budget):
    """How often each of the offered samples was kept, over many seeds."""
    counts = np.zeros(len(tasks))
    for seed in range(rounds):
        keys = np.random.default_rng(seed).random(len(tasks))
        buffer = filled(budget, zip(keys.tolist(), tasks, strict=True))
        marks = [int(kept.parts[IMAGE].flatten()[0]) for shelf in buffer.samples.values()
                 for kept in shelf]
        counts[marks] += 1
    return counts


def test_every_offered_sample_is_as_likely_to_be_kept():
    rounds, offered, places = 800, 24, 6
    counts = inclusion(rounds, [0] * offered, places * (KEY + 12))
    assert counts.sum() == rounds * places
    share = places / offered
    # DataPaths are drawn without replacement, which makes the counts vary less than apart.
    spread = rounds * share * (1 - share) * offered / (offered - 1)
    statistic = ((counts - rounds * share) ** 2).sum() / spread
    assert 0.001 < chi2.sf(statistic, offered - 1) < 0.999


def test_tasks_of_different_bytes_have_the_same_chance_but_for_the_last_place():
    counts = inclusion(800, [0] * 20 + [3] * 20, budget=800)
    small, large = counts[:20].mean(), counts[20:].mean()
    assert small / large == pytest.approx(1, abs=0.08)


# Drawing ---------------------------------------------------------------------------------------


def test_a_draw_has_different_samples_of_all_tasks_evenly():
    offers = [(number / 30, number % 3) for number in range(30)]
    buffer = filled(10**6, offers)
    torch.manual_seed(0)
    seen = np.zeros(30)
    for _ in range(600):
        groups = buffer.sample(7)
        marks = [mark for group in groups for mark in group.parts[IMAGE][:, 0, 0, 0].tolist()]
        assert len(set(marks)) == len(marks) == sum(map(len, groups)) == 7
        assert all(mark % 3 == int(group.task[-1]) for group in groups
                   for mark in group.parts[IMAGE][:, 0, 0, 0].tolist())
        seen[marks] += 1
    statistic = ((seen - 140) ** 2).sum() / (140 * (1 - 7 / 30) * 30 / 29)
    assert chi2.sf(statistic, 29) > 0.001


def test_a_draw_is_all_there_is_when_that_is_less():
    buffer = filled(10**6, [(0.1, 0), (0.2, 2)])
    assert {group.task: len(group) for group in buffer.sample(8)} == {"task0": 1, "task2": 1}


def test_exemplars_come_as_a_batch_has_them():
    labels = torch.tensor([[0, 255], [3, 1]], dtype=torch.uint8)
    maps = compact(torch.tensor([[[0.5, torch.nan], [1.25, 2.0]]]))
    buffer = Buffer(1000)
    image = torch.arange(12, dtype=torch.uint8).view(3, 2, 2)
    buffer.add("labels", Sample(0.1, {IMAGE: image, TARGET: labels}))
    buffer.add("maps", Sample(0.2, {IMAGE: image, TARGET: maps, OUTPUT: maps}))
    first, second = sorted(buffer.sample(2), key=lambda group: group.task)
    assert first.targets.dtype == torch.uint8
    assert torch.equal(first.targets[0], labels)
    assert torch.equal(first.images[0], image.float() / 255)
    assert first.size == (2, 2)
    for values in (second.targets, second.outputs):
        assert values.dtype == torch.float32
        assert values[0].isnan().equal(maps.isnan())


# Keeping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("quotas", [False, True])
def test_restored_from_disk_it_goes_on_as_if_nothing_had_happened(quotas, tmp_path):
    offers = [(key, task % 3) for task, key in enumerate(np.random.default_rng(1).random(60))]
    one = filled(300, offers[:40], quotas)
    checkpoint.save(tmp_path / "state", one.state_dict())
    other = Buffer(300, quotas)
    other.load_state_dict(checkpoint.load(tmp_path / "state"))
    assert other.bytes == one.bytes
    for key, task in offers[40:]:
        for buffer in (one, other):
            buffer.add(f"task{task}", sample(key, task, mark=7))
    assert held(one) == held(other)
    assert list(one.samples) == list(other.samples)
    groups = []
    for buffer in (one, other):
        torch.manual_seed(0)
        groups.append(buffer.sample(4))
    for left, right in zip(*groups, strict=True):
        assert left.task == right.task
        assert torch.equal(left.parts[IMAGE], right.parts[IMAGE])


def test_an_empty_buffer_is_kept_too(tmp_path):
    buffer = filled(10, [(0.5, 0)], quotas=True)  # a task whose quota holds nothing still counts
    checkpoint.save(tmp_path / "state", buffer.state_dict())
    other = Buffer(10, quotas=True)
    other.load_state_dict(checkpoint.load(tmp_path / "state"))
    assert (len(other), other.bytes, list(other.samples)) == (0, 0, ["task0"])


@settings(max_examples=100, deadline=None)
@given(st.floats(0.0625, 60000, width=32))
def test_half_precision_loses_less_than_a_two_thousandth(value):
    kept = compact(torch.tensor([value])).float().item()
    assert abs(kept - value) <= value / 2048


def test_half_precision_keeps_what_is_invalid_and_nothing_else():
    kept = compact(torch.tensor([torch.nan, 0.0, 1e6, -1e6]))
    assert kept.isnan().tolist() == [True, False, False, False]
    assert kept[1] == 0
    assert kept[2:].isfinite().all()
    labels = torch.tensor([0, 7, 255], dtype=torch.uint8)
    assert compact(labels).equal(labels)

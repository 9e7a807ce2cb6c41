"""The exemplar buffer: its budget, equal chances for all samples, restoring."""

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
ADDED = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3)), max_size=30,
                 unique_by=lambda pair: pair[0])
"""(key, task); samples of a task are of one size."""


def sample(key, task=0, mark=0):
    """A sample of (task + 1) * 12 bytes and its key."""
    return Sample(key, {IMAGE: torch.full((3, task + 1, 4), mark, dtype=torch.uint8)})


def filled(budget, added, quotas=False):
    buffer = Buffer(budget, quotas)
    for mark, (key, task) in enumerate(added):
        buffer.add(f"task{task}", sample(key, task, mark))
    return buffer


def held(buffer):
    return {(kept.key, task) for task, samples in buffer.samples.items() for kept in samples}


def fitting(budget, added):
    """What should be kept: in order of keys, as long as everything so far fits."""
    kept, total = set(), 0
    for key, task in sorted(added):
        total += KEY + 12 * (task + 1)
        if total > budget:
            break
        kept.add((key, f"task{task}"))
    return kept


@settings(max_examples=200, deadline=None)
@given(added=ADDED, budget=st.integers(0, 600), order=st.randoms())
def test_the_smallest_keys_that_fit_are_kept_in_whatever_order_they_come(added, budget, order):
    shuffled = list(added)
    order.shuffle(shuffled)
    assert held(filled(budget, added)) == fitting(budget, added)
    assert held(filled(budget, shuffled)) == fitting(budget, added)


@settings(max_examples=100, deadline=None)
@given(added=ADDED, budget=st.integers(0, 600), quotas=st.booleans())
def test_never_over_budget_and_bytes_are_those_of_the_tensors(added, budget, quotas):
    buffer = Buffer(budget, quotas)
    for key, task in added:
        buffer.add(f"task{task}", sample(key, task))
        assert buffer.bytes == checkpoint.tensor_bytes(buffer.state_dict()) <= budget


@settings(max_examples=100, deadline=None)
@given(added=ADDED, budget=st.integers(0, 600))
def test_quotas_are_equal_and_hold_each_task_s_smallest_keys(added, budget):
    buffer = filled(budget, added, quotas=True)
    for task, samples in buffer.samples.items():
        size = KEY + 12 * (int(task[-1]) + 1)
        keys = sorted(key for key, number in added if f"task{number}" == task)
        room = budget // len(buffer.samples) // size
        assert [kept.key for kept in samples] == keys[:room]


def inclusion(rounds, tasks, budget):
    """How often each of the added samples was kept, over many seeds."""
    counts = np.zeros(len(tasks))
    for seed in range(rounds):
        keys = np.random.default_rng(seed).random(len(tasks))
        buffer = filled(budget, zip(keys.tolist(), tasks, strict=True))
        marks = [int(kept.parts[IMAGE].flatten()[0]) for samples in buffer.samples.values()
                 for kept in samples]
        counts[marks] += 1
    return counts


def test_every_added_sample_is_as_likely_to_be_kept():
    rounds, count, places = 800, 24, 6
    counts = inclusion(rounds, [0] * count, places * (KEY + 12))
    assert counts.sum() == rounds * places
    share = places / count
    # Places are filled without replacement, which makes the counts vary less than independently.
    spread = rounds * share * (1 - share) * count / (count - 1)
    statistic = ((counts - rounds * share) ** 2).sum() / spread
    assert 0.001 < chi2.sf(statistic, count - 1) < 0.999


def test_tasks_of_different_bytes_have_the_same_chance_but_for_the_last_place():
    counts = inclusion(800, [0] * 20 + [3] * 20, budget=800)
    small, large = counts[:20].mean(), counts[20:].mean()
    assert small / large == pytest.approx(1, abs=0.08)


# Sampling --------------------------------------------------------------------------------------


def test_samples_of_a_step_are_distinct_and_uniform_over_all_tasks():
    added = [(number / 30, number % 3) for number in range(30)]
    buffer = filled(10**6, added)
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


def test_a_step_gets_all_samples_when_there_are_fewer():
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


# Restoring -------------------------------------------------------------------------------------


@pytest.mark.parametrize("quotas", [False, True])
def test_a_buffer_restored_from_disk_continues_equally(quotas, tmp_path):
    added = [(key, task % 3) for task, key in enumerate(np.random.default_rng(1).random(60))]
    one = filled(300, added[:40], quotas)
    checkpoint.save_state(tmp_path / "state", one.state_dict())
    other = Buffer(300, quotas)
    other.load_state_dict(checkpoint.load_state(tmp_path / "state"))
    assert other.bytes == one.bytes
    for key, task in added[40:]:
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
    checkpoint.save_state(tmp_path / "state", buffer.state_dict())
    other = Buffer(10, quotas=True)
    other.load_state_dict(checkpoint.load_state(tmp_path / "state"))
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

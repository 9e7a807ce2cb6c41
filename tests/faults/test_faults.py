"""Runs under faults, in short; `make soak` tries the same on every method and far more often."""

from __future__ import annotations

import pytest

from tests.faults.trials import Trials


@pytest.fixture(scope="module")
def trials(tmp_path_factory, cache):
    return Trials("ewc", tmp_path_factory.mktemp("faults"), cache)


@pytest.mark.parametrize("method", ["er", "si"])
def test_killed_runs_end_like_undisturbed_ones(method, tmp_path, cache):
    Trials(method, tmp_path, cache).kills(3)


def test_failing_writes_cost_nothing_but_time(trials):
    assert trials.failing_writes(3, 13) > 2


def test_two_processes_never_disturb_each_other(trials):
    trials.two_writers()


def test_want_of_memory_is_survived(trials):
    trials.out_of_memory(16)


def test_every_term_that_is_not_finite_is_named(trials):
    assert trials.not_finite_terms() == 2


def test_damaged_files_never_give_other_numbers(trials):
    assert sum(trials.changed_files(12).values()) == 12
    assert sum(trials.changed_records(20).values()) == 20
    assert sum(trials.changed_stores(12).values()) == 12

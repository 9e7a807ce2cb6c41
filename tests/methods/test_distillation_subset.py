"""Distilling a random subset of the old tasks in each step: unbiased, and resumed alike."""

from __future__ import annotations

import pytest
import torch

from benchmark.engine.options import Stopped
from tests.helpers.phases import after_first_phase, steps


def old_terms(name, cache, draws, **options):
    """The terms of old tasks in the same step of a later phase, `draws` times."""
    learner, phase = after_first_phase(name, cache, settings=["recipe.head_dropout=0"], **options)
    learner.begin_phase(phase)
    (step, *_) = steps(phase)
    found = []
    for _ in range(draws):
        terms = learner.loss(step)
        found.append({key: term.item() for key, term in terms.items() if key.endswith("/old")})
    return found


@pytest.mark.parametrize("name", ["had", "lwf"])
def test_a_drawn_task_counts_as_often_as_it_is_left_out(name, cache):
    (every,) = old_terms(name, cache, 1)
    assert every.keys() == {"semantic/old", "depth/old"}
    torch.manual_seed(0)
    drawn = old_terms(name, cache, 200, subset=1)
    assert all(len(terms) == 1 for terms in drawn)
    for key, value in every.items():
        values = [terms[key] for terms in drawn if key in terms]
        assert values == pytest.approx([2 * value] * len(values), rel=1e-5)
        assert 70 < len(values) < 130  # four standard deviations


def test_a_subset_of_all_draws_nothing(cache):
    state = torch.get_rng_state()
    assert old_terms("had", cache, 1, subset=2) == old_terms("had", cache, 1)
    torch.set_rng_state(state)
    learner, phase = after_first_phase("had", cache, settings=["recipe.head_dropout=0"], subset=2)
    learner.begin_phase(phase)
    (step, *_) = steps(phase)
    state = torch.get_rng_state()
    learner.loss(step)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_resumed_run_draws_the_same_tasks(tiny, tmp_path):
    settings = ["subset=1"]
    whole = tiny("had", method_settings=settings, runs=tmp_path / "whole").record
    with pytest.raises(Stopped):
        tiny("had", method_settings=settings, runs=tmp_path / "parts", checkpoint_seconds=0,
             stop_when=lambda phase, epoch: (phase, epoch) == (3, 1))
    resumed = tiny("had", method_settings=settings, runs=tmp_path / "parts").record
    assert resumed.matrix == whole.matrix

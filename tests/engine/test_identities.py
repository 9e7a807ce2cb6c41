"""Identities between methods, bit for bit on CPU; what each must have is in test_conformance."""

from __future__ import annotations

import contextlib

import pytest
import torch

from benchmark.engine import checkpoint
from benchmark.engine.options import Stopped
from benchmark.engine.state_files import BOUNDARY_FILE


def test_separate_is_the_first_phase_of_any_method(tiny):
    first = [tiny(name).record.matrix["semantic"] for name in ("separate", "had", "ewc")]
    for metric, values in first[0].items():
        assert values[0] == first[1][metric][0] == first[2][metric][0]
        assert set(values) == {values[0]}, "a separate model must never change"


def test_separate_models_start_alike_whatever_came_before(tiny):
    """With all images shared, a task's separate model does not depend on its position."""
    shared = ["split=shared", "recipe.shuffle=false", "recipe.head_dropout=0"]
    early = tiny("separate", "rooms_s1", settings=shared).record.matrix["depth"]
    late = tiny("separate", "rooms_s2", settings=shared).record.matrix["depth"]
    assert {name: values[-1] for name, values in early.items()} == {
        name: values[-1] for name, values in late.items()}


@pytest.mark.parametrize("when", ["start", "after_first"])
def test_frozen_backbone_gives_constant_rows(when, tiny):
    matrix = tiny("frozen", method_settings=[f"when={when}"]).record.matrix
    for number, metrics in enumerate(matrix.values()):
        for values in metrics.values():
            assert len(set(values[number:])) == 1


def phase_ends(tiny, folder, method, settings=()):
    """The network's state after each of three phases."""
    states = []
    for phase in (1, 2, 3):
        with contextlib.suppress(Stopped):
            tiny(method, settings=settings, runs=folder,
                 stop_when=lambda p, e, wanted=phase: (p, e) == (wanted, 0))
        (file,) = folder.glob(f"*/{BOUNDARY_FILE}")
        states.append(checkpoint.load_state(file)["network"])
    return states


@pytest.mark.parametrize("policy", ["train", "freeze_stats", "freeze"])
def test_batch_norm_policy_holds_what_it_names(policy, tiny, tmp_path):
    first, second, _ = phase_ends(tiny, tmp_path, "finetune", [f"recipe.batch_norm={policy}"])
    moved = {name for name, value in first.items() if not torch.equal(value, second[name])}
    statistics = {name for name in first if name.startswith("backbone") and "running" in name}
    scales = {name.replace("running_mean", "weight") for name in statistics if "mean" in name}
    assert (statistics <= moved) == (policy == "train")
    assert (statistics & moved == set()) == (policy != "train")
    assert (scales & moved == set()) == (policy == "freeze")
    assert "backbone.body.0.weight" in moved


def test_heads_out_of_use_do_not_move(tiny, tmp_path):
    first, *later = phase_ends(tiny, tmp_path, "finetune")
    for state in later:
        for name, value in first.items():
            if name.startswith("heads.semantic"):
                assert torch.equal(value, state[name]), name
            elif name.endswith("weight"):
                assert not torch.equal(value, state[name]), name

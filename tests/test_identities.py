"""What must hold for every method, bit for bit on CPU."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch

from benchmark.lifelong import BOUNDARY_FILE
from benchmark.options import Stopped
from benchmark.record import load_statistics
from benchmark.registry import find_method, method_names
from benchmark.train import checkpoint

LIFELONG = [name for name in method_names() if find_method(name).kind == "lifelong"]
ALL_KINDS = ("rooms5_s1", ["dataset.train=20"])


def numbers(outcome):
    """Everything measured, and the final weights."""
    weights = checkpoint.load(outcome.folder / BOUNDARY_FILE)["network"]
    return outcome.record.matrix, weights, load_statistics(outcome.folder)


def assert_equal(one, other):
    (matrix, weights, statistics), (matrix2, weights2, statistics2) = numbers(one), numbers(other)
    assert matrix == matrix2
    assert weights.keys() == weights2.keys()
    assert all(torch.equal(value, weights2[name]) for name, value in weights.items())
    assert statistics.keys() == statistics2.keys()
    for key, fields in statistics.items():
        for name, value in fields.items():
            np.testing.assert_array_equal(value, statistics2[key][name])


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory, cache):
    """One finetune run that several tests compare with."""
    from benchmark.data.source import Places
    from benchmark.options import Options
    from benchmark.run import execute
    from tiny import tiny_plan

    def run(sequence, settings=()):
        runs = tmp_path_factory.getbasetemp() / "finetuned"
        options = Options(runs=runs, places=Places(cache), device="cpu")
        return execute(tiny_plan("finetune", sequence, settings=settings), options)

    return run


@pytest.mark.parametrize("name", [name for name in LIFELONG if find_method(name).zero])
def test_zero_strength_is_finetune(name, tiny, finetuned):
    sequence, settings = ALL_KINDS
    off = [f"{key}={value}" for key, value in find_method(name).zero.items()]
    assert_equal(tiny(name, sequence, settings=settings, method_settings=off),
                 finetuned(sequence, settings))


@pytest.mark.parametrize("name", [name for name in LIFELONG if name != "finetune"])
def test_full_strength_is_not_finetune(name, tiny, finetuned):
    """The identity above would hold for a method that does nothing at all."""
    assert numbers(tiny(name))[0] != numbers(finetuned("rooms_s1"))[0]


@pytest.mark.parametrize("name", method_names())
def test_same_seed_same_numbers_other_seed_others(name, tiny, tmp_path):
    first = tiny(name, "rooms_s2")
    assert_equal(first, tiny(name, "rooms_s2", runs=tmp_path / "again"))
    assert tiny(name, "rooms_s2", seed=1).record.matrix != first.record.matrix


@pytest.mark.parametrize("name", method_names())
def test_resumed_anywhere_equals_uninterrupted(name, tiny, tmp_path):
    whole = tiny(name, runs=tmp_path / "whole", checkpoint_seconds=0)
    stops = []

    def once_everywhere(phase, epoch):
        stops.append((phase, epoch))
        return stops.count((phase, epoch)) == 1

    for _ in range(20):
        try:
            resumed = tiny(name, runs=tmp_path / "parts", checkpoint_seconds=0,
                           stop_when=once_everywhere)
            break
        except Stopped:
            torch.rand(3)  # nothing of the stopped process may matter, its generators included
    phases = len(whole.record.phases)
    assert set(stops) == {(p, e) for p in range(1, phases + 1) for e in (0, 1)}
    assert_equal(resumed, whole)
    logs = [(out.folder / "log.jsonl").read_text().splitlines() for out in (whole, resumed)]
    assert len(logs[0]) == len(logs[1]) == 2 * phases
    assert [info.steps for info in resumed.record.phases] == [
        info.steps for info in whole.record.phases]


def test_separate_is_the_first_phase_of_any_method(tiny):
    first = [tiny(name).record.matrix["semantic"] for name in ("separate", "had", "ewc")]
    for metric, values in first[0].items():
        assert values[0] == first[1][metric][0] == first[2][metric][0]
        assert set(values) == {values[0]}, "a separate model must never change"


def test_separate_models_start_alike_whatever_came_before(tiny):
    """With all images shared, a task's separate model does not depend on its place."""
    shared = ["split=shared", "recipe.shuffle=false", "recipe.head_dropout=0"]
    early = tiny("separate", "rooms_s1", settings=shared).record.matrix["depth"]
    late = tiny("separate", "rooms_s2", settings=shared).record.matrix["depth"]
    assert {name: values[-1] for name, values in early.items()} == {
        name: values[-1] for name, values in late.items()}


@pytest.mark.parametrize("when", ["start", "after_first"])
def test_frozen_backbone_gives_constant_rows(when, tiny):
    matrix = tiny("frozen", method_settings=[f"when={when}"]).record.matrix
    for place, metrics in enumerate(matrix.values()):
        for values in metrics.values():
            assert len(set(values[place:])) == 1


def phase_ends(tiny, folder, method, settings=()):
    """The network's state after each of three phases."""
    states = []
    for phase in (1, 2, 3):
        with contextlib.suppress(Stopped):
            tiny(method, settings=settings, runs=folder,
                 stop_when=lambda p, e, wanted=phase: (p, e) == (wanted, 0))
        (file,) = folder.glob(f"*/{BOUNDARY_FILE}")
        states.append(checkpoint.load(file)["network"])
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

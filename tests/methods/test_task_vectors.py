"""MagMax, OPCM, merged experts and re-aligned heads, against references that keep everything."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from benchmark.components.isolation import layers
from benchmark.components.merging import realign_heads
from benchmark.components.teacher import Teacher
from benchmark.method import phase_batches
from benchmark.tasks.losses import kind_of
from methods.opcm import cleaned
from tests.helpers.phases import make_phase, method, moved_phases, perturbed

SMALL = ("recipe.head_channels=8",)


def vectors_of(learner, cache):
    """Of each phase, in float64: theta_0, where it started, where it went, and the network after
    it, by parameter."""
    first = None
    for phase, start, moved in moved_phases(learner, cache, SMALL):
        first = first or start
        after = dict(phase.network.backbone.named_parameters())
        yield [{name: value.detach().double() for name, value in each.items()}
               for each in (first, start, moved, after)]


def assert_close(found, expected):
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


# MagMax ------------------------------------------------------------------------------------------


def test_magmax_takes_the_largest_of_all_task_vectors_kept(cache):
    vectors, previous = [], None
    for first, start, moved, after in vectors_of(method("magmax", scale=0.4), cache):
        assert_close(start, first if previous is None else previous)  # not the merged backbone
        previous = moved
        vectors.append({name: moved[name] - first[name] for name in first})
        for name, value in first.items():
            changes = np.stack([vector[name].numpy() for vector in vectors])
            winner = np.abs(changes).argmax(0)[None]
            largest = np.take_along_axis(changes, winner, 0)[0]
            torch.testing.assert_close(after[name], value + 0.4 * torch.as_tensor(largest),
                                       rtol=1e-4, atol=1e-6)


def test_magmax_of_one_phase_is_that_phase_scaled(cache):
    first, _, moved, after = next(vectors_of(method("magmax", scale=1.0), cache))
    assert_close(after, moved)
    assert any((moved[name] != value).any() for name, value in first.items())


# OPCM --------------------------------------------------------------------------------------------


def literal_clean(change, merged, alpha):
    """By full SVD, as the paper writes it."""
    left, values, right = np.linalg.svd(merged)
    within = left.T @ change @ right.T
    total, rank = 0.0, 0
    while total <= alpha * values.sum():
        total += values[rank]
        rank += 1
    np.fill_diagonal(within, 0)
    within[:rank, :rank] = 0
    return left @ within @ right


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5), (1, 6)])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9])
def test_cleaning_is_the_literal_svd(alpha, shape):
    generator = np.random.default_rng(3)
    change, merged = generator.standard_normal((2, *shape))
    found = cleaned(torch.as_tensor(change), torch.as_tensor(merged), alpha)
    np.testing.assert_allclose(found.numpy(), literal_clean(change, merged, alpha), atol=1e-12)


def test_what_is_merged_already_is_cleaned_away():
    merged = torch.as_tensor(np.random.default_rng(1).standard_normal((4, 6)))
    torch.testing.assert_close(cleaned(3 * merged, merged, 0.5), torch.zeros_like(merged),
                               rtol=0, atol=1e-12)


def test_opcm_over_three_phases_by_the_papers_algorithm(cache):
    scale, norms, merged = 1.0, [], None
    learner = method("opcm", alpha=0.5)
    for first, start, moved, after in vectors_of(learner, cache):
        assert_close(start, first)
        change = {name: (moved[name] - first[name]).numpy() for name in first}
        norms.append(math.sqrt(sum((value**2).sum() for value in change.values())))
        if merged is None:
            merged = change
        else:
            for name, value in change.items():
                if value.ndim > 1:
                    rest = cleaned(torch.as_tensor(value).flatten(1),
                                   torch.as_tensor(merged[name]).flatten(1), 0.5)
                    value = rest.view(value.shape).numpy()
                merged[name] = scale * merged[name] + value
            size = math.sqrt(sum((value**2).sum() for value in merged.values()))
            scale = size / np.mean(norms)
            merged = {name: value / scale for name, value in merged.items()}
        assert_close(after, {name: first[name] + torch.as_tensor(value)
                             for name, value in merged.items()})


def test_every_matrix_of_the_backbone_is_cleaned(cache):
    """What the reference above takes for matrices is what the method does."""
    network = make_phase(cache, settings=SMALL).network
    matrices = {f"{name}.weight" for name, _ in layers(network.backbone)}
    assert matrices == {name for name, value in network.backbone.named_parameters()
                        if value.dim() > 1}


# Experts -----------------------------------------------------------------------------------------


def test_task_arithmetic_adds_up_all_changes(cache):
    total = None
    for first, start, moved, after in vectors_of(method("task_arithmetic", scale=0.3), cache):
        assert_close(start, first)
        change = {name: moved[name] - first[name] for name in first}
        total = {name: value + (total[name] if total else 0) for name, value in change.items()}
        assert_close(after, {name: first[name] + 0.3 * total[name] for name in first})


def test_symerge_fits_coefficients_and_last_layers_to_the_experts(cache):
    """The merged backbone lies in [theta_0, sum of changes] and is nearer to the experts' outputs
    than task arithmetic with the same start; of the heads the last layer and statistics change."""
    errors = {}
    for name, options in (("task_arithmetic", {"scale": 0.3}), ("symerge", {"epochs": 8})):
        learner = method(name, **options)
        for phase, _, _ in moved_phases(learner, cache, SMALL):
            before = copy.deepcopy(phase.network.heads.state_dict())
            tasks = (*phase.old_tasks, *phase.tasks)
            targets = learner.expert_outputs(phase, tasks)
        phase.network.eval()
        with torch.no_grad():
            errors[name] = sum(
                float(kind_of(task).distance(step.output(task), targets(step)[task.name],
                                             soft=False).mean())
                for step in phase_batches(phase, 4) for task in tasks)
    assert before.keys() == phase.network.heads.state_dict().keys()
    assert errors["symerge"] < errors["task_arithmetic"]


# Head re-alignment -------------------------------------------------------------------------------


def test_old_heads_come_nearer_to_what_they_said_before_merging(cache):
    """On a backbone that was moved; nothing but heads changes, and no old image is asked for."""
    phase = make_phase(cache, settings=(*SMALL, "recipe.lr=0.01"))
    network, old = phase.network, list(phase.old_tasks)
    perturbed(network.heads, amount=0.3)  # heads that say something
    teacher = Teacher()
    teacher.capture(network)
    perturbed(network.backbone, amount=0.1)
    teacher.begin_phase(phase)

    def targets(step):
        return teacher.outputs(step, old)

    @torch.no_grad()
    def distances():
        network.eval()
        return [sum(float(kind_of(task).distance(step.output(task), targets(step)[task.name])
                          .mean()) for step in phase_batches(phase, 4)) for task in old]

    before, backbone = distances(), copy.deepcopy(network.backbone.state_dict())
    realign_heads(phase, old, targets, epochs=20)
    assert all(new < 0.7 * value for new, value in zip(distances(), before, strict=True))
    assert all(torch.equal(value, backbone[name])
               for name, value in network.backbone.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert network.recipe.epochs != 20


@pytest.mark.parametrize("name", ["averaging", "magmax", "opcm"])
def test_merging_methods_realign_all_heads_after_merging(name, cache):
    results = []
    for epochs in (0, 1):
        for phase, _, _ in moved_phases(method(name, realign_epochs=epochs), cache, SMALL):
            results.append({key: value.clone()
                            for key, value in phase.network.state_dict().items()})
    plain, aligned = results[1], results[4]  # after the second phase
    changed = {key.split(".")[1] for key, value in plain.items()
               if key.startswith("heads") and not torch.equal(value, aligned[key])}
    assert changed == {"semantic", "depth"}

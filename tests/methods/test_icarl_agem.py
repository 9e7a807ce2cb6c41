"""iCaRL's herding and distillation, and A-GEM's projection, against slow references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmark.components.buffer import IMAGE
from benchmark.data.loading.array_loader import pixels
from benchmark.method import kinds, phase_batches
from benchmark.model.heads import upsample
from benchmark.model.network import Network
from methods.icarl import herd
from tests.helpers.random_maps import random, tensor
from tests.helpers.replay import ReplayPhases, assert_means, raw_outputs, supervised_losses


@pytest.fixture
def phases_of(cache):
    return lambda method, *args, **config: ReplayPhases(cache, method, *args, **config)


# iCaRL -----------------------------------------------------------------------------------------


def slow_herd(features, most):
    """One at a time, the image that brings the mean nearest."""
    chosen = []
    for _ in range(most):
        def distance(index, so_far=tuple(chosen)):
            mean = sum(features[i] for i in (*so_far, index)) / (len(so_far) + 1)
            return sum((float(a) - float(b)) ** 2
                       for a, b in zip(mean, features.mean(0), strict=True))

        chosen.append(min((i for i in range(len(features)) if i not in chosen), key=distance))
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_herding_matches_the_loops(seed):
    features = random(seed, 12, 4)
    order = herd(tensor(features), 12).tolist()
    # Of the last two, either leads to the same mean in the end.
    assert order[:10] == slow_herd(features, 10)
    assert sorted(order) == list(range(12))


@pytest.mark.parametrize("seed", range(5))
def test_herding_is_a_ranking_whatever_the_order_of_the_images(seed):
    features = random(seed, 30, 4)
    order = herd(tensor(features), 20).tolist()
    assert herd(tensor(features), 5).tolist() == order[:5]
    assert herd(tensor(features), 0).tolist() == []
    shuffled = np.random.default_rng(seed).permutation(30)
    assert shuffled[herd(tensor(features[shuffled]), 20).numpy()].tolist() == order


def test_herded_means_come_nearer_than_random_ones():
    features = F.normalize(tensor(random(3, 200, 16)), dim=1)
    distance = (features[herd(features, 20)].mean(0) - features.mean(0)).norm()
    chance = [(features[torch.randperm(200)[:20]].mean(0) - features.mean(0)).norm()
              for _ in range(20)]
    assert distance < min(chance) / 2


def test_icarl_keeps_herded_exemplars_and_truncates_older_tasks(phases_of):
    run = phases_of("icarl", budget_mib=0.012).begin().end()
    first = run.method.buffer.samples["semantic"][:]
    features = torch.cat([F.normalize(step.features.mean((2, 3)), dim=1)
                          for step in phase_batches(run.phase, 4)]).detach()
    images = torch.cat([step.images for step in phase_batches(run.phase, 4)])
    assert 2 <= len(first) < len(images)
    for kept, index in zip(first, herd(features, len(first)).tolist(), strict=True):
        assert torch.equal(pixels(kept.parts[IMAGE]), images[index])
    later = run.begin().end().method.buffer.samples
    assert later["semantic"] == first[:len(first) // 2]
    assert len(later["depth"]) > 0


def test_icarl_distils_on_batch_and_exemplars_alike(phases_of):
    run = phases_of("icarl", settings=["recipe.head_dropout=0"], weight=0.4, beta=0.8).in_phase(3)
    teacher, old = Network(run.network.recipe, seed=0), run.phase.old_tasks
    for task in old:
        teacher.add_head(task)
    teacher.load_state_dict(run.method.teacher.state_dict()["weights"])
    for parameter in run.network.backbone.parameters():
        parameter.data *= 1.1
    (groups,), copied, other = run.next_samples(), run.step_on_copy(), run.step_on_copy()
    terms = run.method.loss(run.step())
    losses = supervised_losses(other, groups, raw_outputs(other, groups))
    assert_means(terms, "replay", 0.8, groups, losses, old)
    images = torch.cat([group.images for group in groups])
    features = copied.encode_jointly(images)
    for task, kind in kinds(old):
        on_batch = copied.output(task)
        on_exemplars = copied.network.heads[task.name].eval()(features)
        raw = torch.cat([on_batch, upsample(on_exemplars, images.shape[-2:])]).detach()
        target = teacher.eval().outputs(torch.cat([copied.images, images]), [task.name])[task.name]
        distance = float(kind.distance(raw.double(), target.double()).mean().detach())
        assert terms[f"{task.name}/old"].item() == pytest.approx(0.4 * distance, rel=1e-4)


# A-GEM -----------------------------------------------------------------------------------------


def gradients(step, groups):
    """Gradient of each group's own loss, network in eval mode, as unit vectors in float64."""
    network = step.network.eval().double()
    for group in groups:
        network.zero_grad()
        raw = network.outputs(group.images.double(), [group.task])[group.task]
        supervised_losses(step, [group], [raw])[0].backward()
        flat = torch.cat([p.grad.flatten() for p in network.backbone.parameters()])
        yield flat / flat.norm()


def backbone(network):
    return torch.cat([value.flatten() for value in network.backbone.parameters()]).detach()


def test_agem_refers_to_the_mean_of_unit_gradients(phases_of):
    run = phases_of("agem").in_phase(3)
    (groups,), copied = run.next_samples(), run.step_on_copy()
    assert len(groups) == 2
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    reference = run.method.reference_gradient(run.step())
    expected = torch.stack(list(gradients(copied, groups))).mean(0)
    torch.testing.assert_close(reference.double(), expected, rtol=1e-3, atol=1e-5)
    assert run.network.training
    assert all(torch.equal(value, before[name])  # nor do statistics of batch norm change
               for name, value in run.network.state_dict().items())
    assert all(value.grad is None for value in run.network.parameters())


@pytest.mark.parametrize("strength", [1.0, 0.25])
@pytest.mark.parametrize("seed", range(3))
def test_agem_removes_what_raises_the_old_loss_and_nothing_else(strength, seed, phases_of):
    run = phases_of("agem", strength=strength).in_phase(3)
    step = run.step()
    run.method.loss(step)
    reference = run.method.reference_gradient(step).double()
    run.method._reference = reference.float()
    before = {name: value.detach().clone() for name, value in run.network.named_parameters()}
    start, torch_seed = backbone(run.network).double(), torch.manual_seed(seed)
    with torch.no_grad():
        for value in run.network.parameters():
            value += 1e-3 * torch.randn(value.shape, generator=torch_seed)
        change = backbone(run.network).double() - start
        heads = {name: value.clone() for name, value in run.network.heads.named_parameters()}
        run.method.edit_update(step, before)
    edited = backbone(run.network).double() - start
    slope = float(change @ reference)
    share = strength * max(slope, 0) / float(reference @ reference)
    torch.testing.assert_close(edited, change - share * reference, rtol=0, atol=1e-6)
    if slope <= 0:
        assert torch.equal(edited, change)
    elif strength == 1:
        assert float(edited @ reference) <= 1e-6 * float(edited.norm() * reference.norm()) + 1e-8
    assert all(torch.equal(value, heads[name])
               for name, value in run.network.heads.named_parameters())


def test_agem_steps_of_both_slopes_occur(phases_of):
    run = phases_of("agem").in_phase(3)
    reference = run.method.reference_gradient(run.step())
    slopes = [float(torch.randn(len(reference), generator=torch.manual_seed(seed)) @ reference)
              for seed in range(20)]
    assert min(slopes) < 0 < max(slopes)

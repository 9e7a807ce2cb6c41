"""iCaRL's herding and distillation, and A-GEM's projection, against slow references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmark.components.buffer import IMAGE
from benchmark.data.loading.array_loader import pixels
from benchmark.method import kinds, phase_batches
from benchmark.model.network import Network, upsample
from methods.icarl import herd
from tests.helpers.samples import random, tensor
from tests.helpers.stage import Stage, assert_means, outputs, supervised


@pytest.fixture
def stage(cache):
    return lambda method, *args, **config: Stage(cache, method, *args, **config)


# iCaRL -----------------------------------------------------------------------------------------


def slow_herd(features, most):
    """One at a time, the image that brings the mean nearest."""
    chosen = []
    for _ in range(most):
        def away(index, so_far=tuple(chosen)):
            mean = sum(features[i] for i in (*so_far, index)) / (len(so_far) + 1)
            return sum((float(a) - float(b)) ** 2
                       for a, b in zip(mean, features.mean(0), strict=True))

        chosen.append(min((i for i in range(len(features)) if i not in chosen), key=away))
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
    away = (features[herd(features, 20)].mean(0) - features.mean(0)).norm()
    chance = [(features[torch.randperm(200)[:20]].mean(0) - features.mean(0)).norm()
              for _ in range(20)]
    assert away < min(chance) / 2


def test_icarl_keeps_the_herded_and_truncates_older_tasks(stage):
    at = stage("icarl", budget_mib=0.012).begin().end()
    first = at.method.buffer.samples["semantic"][:]
    features = torch.cat([F.normalize(step.features.mean((2, 3)), dim=1)
                          for step in phase_batches(at.phase, 4)]).detach()
    images = torch.cat([step.images for step in phase_batches(at.phase, 4)])
    assert 2 <= len(first) < len(images)
    for kept, place in zip(first, herd(features, len(first)).tolist(), strict=True):
        assert torch.equal(pixels(kept.parts[IMAGE]), images[place])
    later = at.begin().end().method.buffer.samples
    assert later["semantic"] == first[:len(first) // 2]
    assert len(later["depth"]) > 0


def test_icarl_distils_on_batch_and_exemplars_alike(stage):
    at = stage("icarl", settings=["recipe.head_dropout=0"], weight=0.4, beta=0.8).at(3)
    past, old = Network(at.recipe, seed=0), at.phase.old_tasks
    for task in old:
        past.add_head(task)
    past.load_state_dict(at.method.teacher.state_dict()["weights"])
    for parameter in at.network.backbone.parameters():
        parameter.data *= 1.1
    (groups,), twin, other = at.drawn(), at.twin(), at.twin()
    terms = at.method.loss(at.step())
    own = supervised(other, groups, outputs(other, groups))
    assert_means(terms, "replay", 0.8, groups, own, old)
    images = torch.cat([group.images for group in groups])
    features = twin.encode_jointly(images)
    for task, kind in kinds(old):
        far = twin.output(task)
        near = twin.network.heads[task.name].eval()(features)
        raw = torch.cat([far, upsample(near, images.shape[-2:])]).detach()
        told = past.eval().outputs(torch.cat([twin.images, images]), [task.name])[task.name]
        distance = float(kind.distance(raw.double(), told.double()).mean().detach())
        assert terms[f"{task.name}/old"].item() == pytest.approx(0.4 * distance, rel=1e-4)


# A-GEM -----------------------------------------------------------------------------------------


def gradients(step, groups):
    """Gradient of each group's own loss, network in eval mode, as unit vectors in float64."""
    network = step.network.eval().double()
    for group in groups:
        network.zero_grad()
        raw = network.outputs(group.images.double(), [group.task])[group.task]
        supervised(step, [group], [raw])[0].backward()
        flat = torch.cat([p.grad.flatten() for p in network.backbone.parameters()])
        yield flat / flat.norm()


def backbone(network):
    return torch.cat([value.flatten() for value in network.backbone.parameters()]).detach()


def test_agem_refers_to_the_mean_of_unit_gradients(stage):
    at = stage("agem").at(3)
    (groups,), twin = at.drawn(), at.twin()
    assert len(groups) == 2
    before = {name: value.clone() for name, value in at.network.state_dict().items()}
    uphill = at.method.uphill(at.step())
    expected = torch.stack(list(gradients(twin, groups))).mean(0)
    torch.testing.assert_close(uphill.double(), expected, rtol=1e-3, atol=1e-5)
    assert at.network.training
    assert all(torch.equal(value, before[name])  # nor do statistics of batch norm move
               for name, value in at.network.state_dict().items())
    assert all(value.grad is None for value in at.network.parameters())


@pytest.mark.parametrize("strength", [1.0, 0.25])
@pytest.mark.parametrize("seed", range(3))
def test_agem_takes_off_what_leads_uphill_and_nothing_else(strength, seed, stage):
    at = stage("agem", strength=strength).at(3)
    step = at.step()
    at.method.loss(step)
    uphill = at.method.uphill(step).double()
    at.method._uphill = uphill.float()
    before = {name: value.detach().clone() for name, value in at.network.named_parameters()}
    start, torch_seed = backbone(at.network).double(), torch.manual_seed(seed)
    with torch.no_grad():
        for value in at.network.parameters():
            value += 1e-3 * torch.randn(value.shape, generator=torch_seed)
        moved = backbone(at.network).double() - start
        heads = {name: value.clone() for name, value in at.network.heads.named_parameters()}
        at.method.edit_update(step, before)
    edited = backbone(at.network).double() - start
    slope = float(moved @ uphill)
    share = strength * max(slope, 0) / float(uphill @ uphill)
    torch.testing.assert_close(edited, moved - share * uphill, rtol=0, atol=1e-6)
    if slope <= 0:
        assert torch.equal(edited, moved)
    elif strength == 1:
        assert float(edited @ uphill) <= 1e-6 * float(edited.norm() * uphill.norm()) + 1e-8
    assert all(torch.equal(value, heads[name])
               for name, value in at.network.heads.named_parameters())


def test_agem_steps_of_both_slopes_occur(stage):
    at = stage("agem").at(3)
    uphill = at.method.uphill(at.step())
    slopes = [float(torch.randn(len(uphill), generator=torch.manual_seed(seed)) @ uphill)
              for seed in range(20)]
    assert min(slopes) < 0 < max(slopes)

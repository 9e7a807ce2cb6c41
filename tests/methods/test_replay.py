"""Replay methods: what they keep, what they add to the loss, and what a step costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.components.buffer import IMAGE, OUTPUT, TARGET, Exemplars
from benchmark.data.loading.array_loader import pixels
from benchmark.engine import checkpoint
from benchmark.engine.options import Stopped
from benchmark.engine.state_files import BOUNDARY_FILE
from benchmark.model.network import Network
from benchmark.registry import find_method
from tests.helpers.random_maps import random, tensor
from tests.helpers.replay import CROP, ReplayPhases, assert_means, raw_outputs, supervised_losses

METHODS = ("er", "der", "derpp", "icarl", "agem")


@pytest.fixture
def phases_of(cache):
    return lambda method, *args, **config: ReplayPhases(cache, method, *args, **config)


# What is kept ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", ["rooms_s1", "rooms5_s1"])
def test_samples_are_the_phase_s_images_and_labels(phases_of, sequence):
    run = phases_of("er", sequence, ["dataset.train=20"]).begin()
    batch, keys = next(run.phase.data.plain(20)), run.method.keys(run.phase)
    (name, samples), = run.in_phase(2).method.buffer.samples.items()
    assert [kept.key for kept in samples] == sorted(keys.tolist())
    for kept, place in zip(samples, keys.argsort().tolist(), strict=True):
        assert torch.equal(pixels(kept.parts[IMAGE]), batch.images[place])
        torch.testing.assert_close(kept.parts[TARGET].float(), batch.targets[name][place].float(),
                                   rtol=1e-3, atol=1e-3, equal_nan=True)


def test_choice_depends_on_seed_and_phase_alone(phases_of):
    run = phases_of("er").in_phase(1)
    keys = run.method.keys(run.phase)
    torch.rand(5)
    assert torch.equal(run.method.keys(run.phase), keys)
    assert not torch.equal(run.in_phase(2).method.keys(run.phase), keys)
    run.network.seed = 1
    assert not torch.equal(run.method.keys(run.phase), keys)


@pytest.mark.parametrize("method", ["er", "icarl"])
def test_an_image_without_a_valid_pixel_is_not_kept(method, phases_of, monkeypatch):
    run = phases_of(method).in_phase(1)
    plain = run.phase.data.plain

    def with_voids(size):
        for batch in plain(size):
            batch.targets["semantic"][batch.positions % 2 == 0] = 255
            yield batch

    monkeypatch.setattr(run.phase.data, "plain", with_voids)
    samples = run.end().method.buffer.samples["semantic"]
    assert len(samples) == len(run.phase.data) // 2
    assert all((kept.parts[TARGET] != 255).any() for kept in samples)


@pytest.mark.parametrize("method", METHODS)
def test_a_small_budget_is_kept_recorded_and_restored(method, tiny, tmp_path):
    config = {"method_settings": ["budget_mib=0.02"], "checkpoint_seconds": 0}
    whole = tiny(method, runs=tmp_path / "whole", **config)
    cost = whole.record.cost
    assert 0 < cost.exemplars < 16
    assert 0 < cost.exemplar_bytes <= min(0.02 * 2**20, cost.carried_bytes)
    with pytest.raises(Stopped):
        tiny(method, runs=tmp_path / "parts", stop_when=lambda p, e: (p, e) == (3, 1), **config)
    parts = tiny(method, runs=tmp_path / "parts", **config)
    one, other = (checkpoint.load_state(run.folder / BOUNDARY_FILE)["network"]
                  for run in (whole, parts))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("without", ["budget", "strength"])
def test_without_budget_or_strength_nothing_is_kept_or_sampled(method, without, phases_of):
    off = {"budget_mib": 0.0} if without == "budget" else find_method(method).zero
    run = phases_of(method, **{**off, **({"weight": 0.0} if method == "icarl" else {})}).in_phase(3)
    state = torch.get_rng_state()
    assert run.method.sample() == []
    assert torch.equal(torch.get_rng_state(), state)
    assert run.method.loss(run.step()).keys() == {"normal/new"}
    assert run.method.exemplars() == (0, 0)


# What it adds to the loss ----------------------------------------------------------------------


@pytest.mark.parametrize(("sequence", "phase"), [("rooms_s1", 3), ("rooms5_s1", 5)])
def test_er_is_the_mean_over_tasks_of_their_own_losses(phases_of, sequence, phase):
    run = phases_of("er", sequence, ["dataset.train=20"], beta=0.7).in_phase(phase)
    (groups,), copied = run.next_samples(), run.step_on_copy()
    losses = supervised_losses(copied, groups, raw_outputs(copied, groups))
    assert_means(run.method.loss(run.step()), "replay", 0.7, groups, losses, run.phase.old_tasks)


def output_losses(run, groups, raws):
    """DER's distances to stored outputs, in float64."""
    for group, raw in zip(groups, raws, strict=True):
        stored = np.stack([kept.parts[OUTPUT].double().numpy()
                           for kept in run.method.buffer.samples[group.task]])
        difference = raw.double().numpy() - group.outputs.double().numpy()
        yield np.mean(difference ** 2) / np.mean((stored - np.mean(stored)) ** 2)


def test_der_is_the_squared_distance_in_variances(phases_of):
    run = phases_of("der", alpha=0.3, replay_batch=5).in_phase(3)
    (groups,), copied = run.next_samples(), run.step_on_copy()
    losses = list(output_losses(run, groups, raw_outputs(copied, groups)))
    assert_means(run.method.loss(run.step()), "output", 0.3, groups, losses, run.phase.old_tasks)


def test_derpp_adds_labels_of_a_second_sample(phases_of):
    run = phases_of("derpp", alpha=0.3, beta=0.6).in_phase(3)
    (first, second), copied = run.next_samples(times=2), run.step_on_copy()
    assert {float(group.images.sum()) for group in first} != {
        float(group.images.sum()) for group in second}
    raws = raw_outputs(copied, first + second)
    matched = list(output_losses(run, first, raws[:len(first)]))
    labelled = supervised_losses(copied, second, raws[len(first):])
    terms, old = run.method.loss(run.step()), run.phase.old_tasks
    assert_means(terms, "output", 0.3, first, matched, old)
    assert_means(terms, "replay", 0.6, second, labelled, old)


@pytest.mark.parametrize("scale", [1 / 64, 8])
def test_der_does_not_depend_on_the_unit_of_an_output(phases_of, scale):
    run = phases_of("der").in_phase(2)
    (group,), = run.next_samples()
    raw = tensor(random(1, *group.outputs.shape)).float()

    def matched():
        run.method.begin_phase(run.phase)
        return float(run.method.output_losses([group], [raw])["semantic"])

    plain = matched()
    for kept in run.method.buffer.samples["semantic"]:
        kept.parts[OUTPUT].mul_(scale)
    group, raw = Exemplars("semantic", {OUTPUT: group.parts[OUTPUT] * scale}), raw * scale
    assert matched() == pytest.approx(plain, rel=1e-3)  # tiny half-precision values round more


def test_outputs_that_hardly_vary_do_not_make_the_term_explode(phases_of):
    """Of outputs of 2 +- 0.001 the variance is 1e-6; the floor is 1e-4 of 4."""
    run = phases_of("der").in_phase(2)
    for index, kept in enumerate(run.method.buffer.samples["semantic"]):
        kept.parts[OUTPUT].fill_(2 + (-1) ** index / 1024)
    run.method.begin_phase(run.phase)
    (group,), = run.next_samples()
    error = float(run.method.output_losses([group], [group.outputs + 1])["semantic"])
    assert error == pytest.approx(1 / 4e-4, rel=1e-3)


def test_der_is_zero_until_the_network_changes(phases_of):
    run = phases_of("der").in_phase(2)
    run.network.backbone.eval()
    assert float(run.method.loss(run.step())["semantic/output"].detach()) < 1e-5


# What a step costs and touches -----------------------------------------------------------------


@pytest.mark.parametrize(("method", "images", "config"), [
    ("er", 4 + 8, {}), ("der", 4 + 8, {}), ("derpp", 4 + 16, {}), ("derpp", 4 + 8, {"beta": 0}),
    ("icarl", 4 + 8, {})])
@pytest.mark.parametrize("settings", [(), CROP])
def test_one_encoder_pass_a_step_where_sizes_agree(method, images, config, settings, phases_of,
                                                   monkeypatch):
    run = phases_of(method, settings=settings, **config).in_phase(3)
    calls = []
    stages = Network.stages
    monkeypatch.setattr(Network, "stages", lambda self, *args: calls.append(
        self is run.network) or stages(self, *args))
    torch.stack(list(run.method.loss(run.step()).values())).sum().backward()
    assert sum(calls) == (2 if settings else 1)
    teacher = run.network.passes.forward - images
    assert teacher == {"icarl": 8 + 4 * bool(settings)}.get(method, 0)
    assert run.network.passes.backward == images


def test_batch_and_exemplars_share_their_batch_norm(phases_of):
    run = phases_of("er").in_phase(2)
    others = torch.rand(3, 3, *run.step().images.shape[-2:])
    step, copied = run.step(), run.step_on_copy()
    joint = step.encode_jointly(others)
    whole = copied.network.encode(torch.cat([step.images, others]))
    torch.testing.assert_close(torch.cat([step.features, joint]), whole)
    for name, value in step.network.backbone.state_dict().items():
        torch.testing.assert_close(value, copied.network.backbone.state_dict()[name])
    late = run.step()
    alone = late.features
    assert late.encode_jointly(others).shape == joint.shape
    assert late.features is alone


@pytest.mark.parametrize("method", ["er", "der"])
def test_each_exemplar_trains_its_own_head_only_and_not_its_statistics(method, phases_of):
    run = phases_of(method, replay_batch=1).in_phase(3)  # batch norm takes no single image
    ((group,),) = run.next_samples()
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    torch.stack(list(run.method.loss(run.step()).values())).sum().backward()
    for task, head in run.network.heads.items():
        learns = any(p.grad is not None and p.grad.any() for p in head.parameters())
        assert learns == (task in (group.task, "normal")), task
        assert all(module.training for module in head.modules())
    for name, value in run.network.state_dict().items():
        if name.startswith(("heads.semantic", "heads.depth")):
            assert torch.equal(value, before[name]), name


def test_heads_of_a_new_backbone_collect_statistics(phases_of):
    run = phases_of("er").in_phase(2)
    run.phase = replace(run.phase, new_backbone=True)
    name = "heads.semantic.2.running_mean"
    before = run.network.state_dict()[name].clone()
    run.method.loss(run.step())
    assert not torch.equal(run.network.state_dict()[name], before)


# Everything at once ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_crops_in_half_precision(method, tiny):
    """Exemplars of another size than the batch, under autocast, which knows no float16 on CPU."""
    record = tiny(method, settings=["recipe.precision=bf16", "recipe.epochs=1", *CROP]).record
    assert record.cost.exemplars > 0
    assert all(values[-1] is not None for metrics in record.matrix.values()
               for values in metrics.values())

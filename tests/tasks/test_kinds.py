"""Every task kind keeps the same promises."""

from __future__ import annotations

import math

import pytest
import torch

from benchmark.tasks import VOID, Task
from benchmark.tasks.losses import kind_of
from benchmark.tasks.metric_values import metrics_of, values_of

TASKS = {
    "segmentation": Task(name="semantic", kind="segmentation", channels=5),
    "regression": Task(name="shading", kind="regression", channels=2),
    "depth": Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m"),
    "disparity": Task(name="disparity", kind="regression", channels=1, encoding="inverse_depth"),
    "direction": Task(name="normal", kind="direction", channels=3),
    "binary": Task(name="edge", kind="binary", channels=1),
}
B, H, W = 3, 6, 8


@pytest.fixture(params=TASKS)
def kind(request):
    return kind_of(TASKS[request.param])


def raw_of(kind, seed=0, batch=B):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, kind.task.channels, H, W, generator=generator, dtype=torch.float64)


def target_of(kind, seed=1, batch=B):
    """A random valid target."""
    raw = raw_of(kind, seed, batch)
    target = kind.pseudo_label(raw)
    return target.abs() + 0.5 if kind.task.kind == "regression" else target


def perfect(kind, target):
    """A raw output whose prediction is the target."""
    if kind.task.kind == "segmentation":
        hot = torch.nn.functional.one_hot(target.long(), kind.task.channels)
        return hot.movedim(-1, 1).double() * 60
    if kind.task.kind == "binary":
        return (target.double()[:, None] * 2 - 1) * 60
    return target.clone().double()


def masked(kind, target, where):
    """The target with the pixels of `where` [B, H, W] made invalid."""
    if target.dim() == 3:
        return torch.where(where, VOID, target)
    return torch.where(where[:, None], kind.invalid, target)


def values(kind, raw, target):
    statistics = {name: value.numpy() for name, value in kind.statistics(raw, target).items()}
    return values_of(kind.task, statistics)


def test_loss_is_the_mean_over_valid_pixels(kind):
    raw, target = raw_of(kind), target_of(kind)
    hole = torch.zeros(B, H, W, dtype=torch.bool)
    hole[0, :3] = hole[2, :, 4:] = True
    target = masked(kind, target, hole)
    assert torch.equal(kind.valid(target), ~hole)
    loss_map = kind.loss_map(raw, target)
    assert loss_map.shape == (B, H, W)
    assert (loss_map[hole] == 0).all()
    torch.testing.assert_close(kind.loss(raw, target), loss_map[~hole].mean())


def test_masked_pixels_do_not_matter(kind):
    hole = torch.zeros(B, H, W, dtype=torch.bool)
    hole[:, 2:4, 1:7] = True
    target = masked(kind, target_of(kind), hole)
    one, other = raw_of(kind, 5), raw_of(kind, 6)
    other = torch.where(hole[:, None], other, one).requires_grad_()
    one.requires_grad_()
    torch.testing.assert_close(kind.loss(one, target), kind.loss(other, target), rtol=0, atol=0)
    kind.loss(one, target).backward()
    assert one.grad.isfinite().all()
    assert (one.grad.movedim(1, -1)[hole] == 0).all()
    assert values(kind, one.detach(), target) == values(kind, other.detach(), target)


def test_all_void_gives_a_defined_result(kind):
    raw = raw_of(kind).requires_grad_()
    target = masked(kind, target_of(kind), torch.ones(B, H, W, dtype=torch.bool))
    loss = kind.loss(raw, target)
    loss.backward()
    assert loss.item() == 0
    assert (raw.grad == 0).all()
    found = values(kind, raw.detach(), target)
    assert set(found) == {metric.name for metric in metrics_of(kind.task)}
    assert all(math.isnan(value) for value in found.values())


def test_perfect_prediction_gives_the_best_value(kind):
    target = target_of(kind)
    hole = torch.zeros(B, H, W, dtype=torch.bool)
    hole[1, 0] = True
    found = values(kind, perfect(kind, target), masked(kind, target, hole))
    for metric in metrics_of(kind.task):
        best = 100.0 if metric.higher_is_better else 0.0
        tolerance = 0.5 if metric.name == "median" else 1e-6  # half a degree: the bin's width
        assert found[metric.name] == pytest.approx(best, abs=tolerance), metric.name


def test_loss_is_least_for_the_target(kind):
    target = target_of(kind)
    assert kind.loss(perfect(kind, target), target) < 1e-6
    assert kind.loss(raw_of(kind, 9), target) > 0.01


def test_statistics_do_not_depend_on_the_batch(kind):
    raw, target = raw_of(kind, batch=5), target_of(kind, batch=5)
    whole = kind.statistics(raw, target)
    single = [kind.statistics(raw[i:i + 1], target[i:i + 1]) for i in range(5)]
    for name, value in whole.items():
        assert value.shape[0] == 5
        assert torch.equal(value, torch.cat([each[name] for each in single])), name


def test_distance_of_an_output_to_itself(kind):
    raw = raw_of(kind)
    distance = kind.distance(raw, raw, soft=True, temperature=2.0)
    assert distance.shape == (B, H, W)
    assert distance.abs().max() < 1e-9
    assert (kind.distance(raw, raw_of(kind, 3)) > -1e-12).all()
    assert kind.distance(raw, raw_of(kind, 3)).mean() > 0.01


def test_hard_distance_is_the_loss_against_the_pseudo_label():
    kind = kind_of(TASKS["segmentation"])
    raw, teacher = raw_of(kind), raw_of(kind, 2)
    torch.testing.assert_close(kind.distance(raw, teacher, soft=False),
                               kind.loss_map(raw, kind.pseudo_label(teacher)))


def test_soft_distance_is_the_scaled_kullback_leibler_divergence():
    for name, temperature in (("segmentation", 2.0), ("binary", 3.0)):
        kind = kind_of(TASKS[name])
        raw, teacher = raw_of(kind), raw_of(kind, 2)
        if name == "binary":  # two classes: the logit against zero
            logits = [torch.cat([torch.zeros_like(each), each], 1) for each in (raw, teacher)]
        else:
            logits = [raw, teacher]
        p, q = ((each / temperature).softmax(1) for each in reversed(logits))
        expected = temperature**2 * (p * (p / q).log()).sum(1)
        torch.testing.assert_close(kind.distance(raw, teacher, temperature=temperature), expected)


def test_pseudo_label_is_a_valid_target(kind):
    raw = raw_of(kind)
    target = kind.pseudo_label(raw)
    assert kind.valid(target).all()
    assert kind.loss(raw, target).isfinite()


def test_groups_cover_every_pixel(kind):
    for edges in ((0.5,), (0.2, 0.4, 0.6, 0.8)):
        groups = kind.groups(raw_of(kind), edges)
        assert groups.shape == (B, H, W)
        assert groups.dtype == torch.int64
        assert groups.min() >= 0
        assert groups.max() < kind.group_count(edges)


def test_groups_of_maps_are_intervals_of_the_scaled_map():
    kind = kind_of(TASKS["depth"])
    raw = torch.tensor([[2.0, 4.0], [5.9, 10.0]]).reshape(1, 1, 2, 2)
    assert kind.groups(raw).tolist() == [[[0, 0], [0, 1]]]
    assert kind.groups(raw, (0.2, 0.4)).tolist() == [[[0, 1], [2, 2]]]
    assert kind.groups(torch.full((1, 1, 2, 2), 7.0)).tolist() == [[[0, 0], [0, 0]]]


def test_flip_twice_is_identity(kind):
    target = masked(kind, target_of(kind), torch.rand(B, H, W) < 0.3)
    once, twice = kind.flip(target), kind.flip(kind.flip(target))
    assert torch.equal(torch.nan_to_num(twice.double(), 77), torch.nan_to_num(target.double(), 77))
    assert torch.equal(kind.valid(once), kind.valid(target).flip(-1))


def test_flip_negates_x_of_directions_only():
    kind = kind_of(TASKS["direction"])
    target = target_of(kind)
    flipped = kind.flip(target)
    assert torch.equal(flipped[:, 0], -target[:, 0].flip(-1))
    assert torch.equal(flipped[:, 1:], target[:, 1:].flip(-1))


def test_zoom_divides_depth_and_multiplies_inverse_depth():
    for name, factor in (("depth", 1 / 1.5), ("disparity", 1.5), ("regression", 1.0)):
        kind = kind_of(TASKS[name])
        target = target_of(kind)
        torch.testing.assert_close(kind.zoom(target, 1.5), target * factor)


def test_zoom_rule_agrees_with_a_camera():
    """A plane at depth z seen by a lens f looks like one at z / s seen by f after zooming by s."""
    f, s, z, size = 40.0, 1.5, 3.0, 0.2
    apparent = s * (f * size / z)
    kind = kind_of(TASKS["depth"])
    zoomed = kind.zoom(torch.full((1, 1, 1, 1), z), s).item()
    assert f * size / zoomed == pytest.approx(apparent)


def test_invalid_never_blends_in_resizing(kind):
    hole = torch.zeros(B, H, W, dtype=torch.bool)
    hole[:, ::2, ::3] = True
    target = masked(kind, target_of(kind), hole)
    for size in ((3, 5), (13, 9), (H, W)):
        resized = kind.resize(target, size)
        assert resized.shape[-2:] == size
        assert resized.dtype == target.dtype
        valid = kind.valid(resized)
        known = target.movedim(1, -1)[~hole] if target.dim() == 4 else target[~hole]
        new = resized.movedim(1, -1)[valid] if target.dim() == 4 else resized[valid]
        known = {tuple(row) if isinstance(row, list) else row for row in known.tolist()}
        found = {tuple(row) if isinstance(row, list) else row for row in new.tolist()}
        if target.dtype == torch.float64:  # resizing goes through float32
            known = {tuple(torch.tensor(row).tolist()) for row in known}
        assert {_rounded(row) for row in found} <= {_rounded(row) for row in known}


def _rounded(row):
    return tuple(round(x, 5) for x in row) if isinstance(row, tuple) else row


def test_binary_loss_balances_the_classes():
    kind = kind_of(TASKS["binary"])
    target = torch.zeros(1, 4, 8, dtype=torch.uint8)
    target[0, 0, 0] = 1
    raw = torch.zeros(1, 1, 4, 8, dtype=torch.float64)
    loss = kind.loss_map(raw, target)
    positive, negative = loss[target == 1].sum(), loss[target == 0].sum()
    torch.testing.assert_close(positive, negative)


def test_task_refuses_what_does_not_fit():
    for wrong in ({"kind": "direction", "channels": 2}, {"kind": "binary", "channels": 2},
                  {"kind": "segmentation", "channels": 1},
                  {"kind": "segmentation", "channels": 3, "encoding": "depth"},
                  {"kind": "segmentation", "channels": 3, "classes": ("a", "b")}):
        with pytest.raises(ValueError, match=r"task|direction|encoding|channel"):
            Task(name="x", **wrong)


def test_the_likeliest_class_is_argmax():
    raw = torch.randn(3, 7, 5, 6).round()  # rounded, so that there are ties
    assert torch.equal(kind_of(TASKS["segmentation"]).groups(raw), raw.argmax(1))
    raw[1, 2, 3, 4] = float("nan")
    assert kind_of(TASKS["segmentation"]).groups(raw).max() < 7


def test_unit_vectors_are_unit_and_zero_has_a_gradient():
    kind = kind_of(TASKS["direction"])
    raw = torch.randn(2, 3, 4, 5, dtype=torch.float64) * 10.0 ** torch.randint(-6, 6, (2, 1, 4, 5))
    torch.testing.assert_close(kind.prediction(raw), torch.nn.functional.normalize(raw, dim=1))
    still = torch.zeros(1, 3, 2, 2, requires_grad=True)
    kind.distance(still, torch.ones(1, 3, 2, 2)).sum().backward()
    assert still.grad.isfinite().all()

"""Predictions that must not pay: what no task kind may rank above the best constant prediction.

A metric is exploited where an output that knows nothing of the image, or is broken, scores well:
the angle to a vector of length zero, a class that a NaN falls into, a division by a huge number.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.tasks.losses import Kind, evaluated, kind_of
from benchmark.tasks.metric_values import check, metrics_of, values_of
from benchmark.tasks.registry import find_kind
from benchmark.tasks.task import Task

BATCH, SIZE = 3, (6, 8)
"""Images, and their height and width."""
_TOLERANCE = 1e-6
"""Relative: outputs in single precision at another scale differ in the last bits."""


def exploits(task: Task, seed: int = 0) -> list[str]:
    """What is wrong with the metrics of a task, tried on random targets; nothing when it is sound.

    Every output of `degenerate` must leave the primary metric undefined, or no better than that
    of the best of `constants`; every output of `broken` must leave all metrics undefined.
    """
    kind = kind_of(task)
    raw, target = random_case(kind, seed)
    (primary,) = (metric for metric in metrics_of(task) if metric.primary)
    sign = 1 if primary.higher_is_better else -1
    honest = [sign * _values(kind, each, target)[primary.name] for each in constants(kind, raw)]
    known = [value for value in honest if not math.isnan(value)]
    if not known:
        return [f"{primary.name} is undefined for every constant prediction"]
    best, found = max(known), []
    for name, each in degenerate(raw).items():
        value = _values(kind, each, target)[primary.name]
        if sign * value > best + _TOLERANCE * max(1, abs(best)):
            found.append(f"{name}: {primary.name} {value:g}, better than {sign * best:g} of the "
                         "best constant prediction")
    for name, each in broken(raw).items():
        defined = [metric for metric, value in _values(kind, each, target).items()
                   if not math.isnan(value)]
        if defined:
            found.append(f"{name}: {', '.join(defined)} should be undefined")
    return found


def random_case(kind: Kind, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random raw outputs [B, C, H, W], and the target they predict, two columns of it invalid.

    No constant is far from all of a target: labels all occur, maps are positive and near 1 to 2.
    """
    channels = kind.task.channels
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(BATCH, channels, *SIZE, generator=generator)
    steps = torch.linspace(0, 1, channels).view(1, -1, 1, 1)
    labels = find_kind(kind.task.kind).spec.labels
    raw = noise + 0.3 - steps if labels else (1.2 + 0.8 * steps) * (0.3 * noise).exp()
    target = kind.pseudo_label(raw).clone()
    target[..., :2] = kind.invalid
    return raw, target


def constants(kind: Kind, raw: Tensor) -> list[Tensor]:
    """Predictions [B, C, H, W] that know a target but not its images: the mean and the median of
    the outputs `raw` that predict it perfectly, and each channel alone."""
    flat = raw.movedim(1, -1).flatten(0, -2)
    rows = [flat.mean(0), flat.median(0).values, *torch.eye(raw.shape[1])]
    return [_everywhere(row, raw) for row in rows]


def degenerate(raw: Tensor) -> dict[str, Tensor]:
    """Finite outputs of the shape of `raw` that know nothing of an image, by what they are."""
    mean, ones = _everywhere(raw.mean((0, 2, 3)), raw), torch.ones_like(raw)
    found = {"zero": 0 * ones, "negative zero": -0.0 * ones, "constant": ones,
             "huge": 1e30 * ones, "huge and negative": -1e30 * ones, "denormal": 1e-41 * ones,
             "largest": torch.finfo(raw.dtype).max * ones,
             "mean at 1000 times its scale": 1000 * mean,
             "mean at a thousandth of its scale": mean / 1000, "mean, negated": -mean}
    for channel, row in enumerate(torch.eye(raw.shape[1])):
        found[f"channel {channel} alone"] = 10 * _everywhere(row, raw)
        found[f"channel {channel} huge"] = 1e30 * _everywhere(row, raw)
    return found


def broken(raw: Tensor) -> dict[str, Tensor]:
    """Outputs of the shape of `raw` that are not finite: everywhere, or at one pixel of outputs
    that are perfect elsewhere."""
    found = {}
    for name, value in (("NaN", math.nan), ("infinite", math.inf), ("-infinite", -math.inf)):
        found[name] = torch.full_like(raw, value)
        found[f"{name} at one pixel"] = raw.clone()
        found[f"{name} at one pixel"][1, -1, 3, 4] = value
    return found


def _everywhere(row: Tensor, like: Tensor) -> Tensor:
    """The output `row` [C] at every pixel, of the shape of `like`."""
    return row.to(like.dtype).view(1, -1, 1, 1).expand_as(like).clone()


def _values(kind: Kind, raw: Tensor, target: Tensor) -> dict[str, float]:
    statistics = {name: each.numpy() for name, each in evaluated(kind, raw, target).items()}
    check(kind.task, statistics)
    return values_of(kind.task, statistics)

"""From raw outputs to metrics, the whole way, against scikit-learn, torchmetrics and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cosine
from sklearn import metrics as sklearn
from torchmetrics.functional import classification, regression

from benchmark.tasks import VOID, Task
from benchmark.tasks.binary.metrics import THRESHOLDS
from benchmark.tasks.direction.metrics import BIN_WIDTH
from benchmark.tasks.losses import evaluated, kind_of
from benchmark.tasks.metric_values import values_of

SEMANTIC = Task(name="semantic", kind="segmentation", channels=6)
DEPTH = Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m")
NORMAL = Task(name="normal", kind="direction", channels=3)
EDGE = Task(name="edge", kind="binary", channels=1)
SHAPE = (4, 7, 9)
"""Images, height and width."""

seeds = pytest.mark.parametrize("seed", range(6))


def outputs(task: Task, seed: int) -> torch.Tensor:
    """Random raw outputs [B, C, H, W] in double precision."""
    images, *size = SHAPE
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, task.channels, *size, generator=generator, dtype=torch.float64)


def hole(seed: int) -> torch.Tensor:
    """Bool [B, H, W]: a fifth of the pixels, which are to be invalid."""
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(900 + seed)) < 0.2


def labels(classes: int, seed: int) -> torch.Tensor:
    """Random labels with a hole; the last class does not occur."""
    generator = torch.Generator().manual_seed(100 + seed)
    drawn = torch.randint(0, classes, SHAPE, generator=generator, dtype=torch.uint8)
    return torch.where(hole(seed), VOID, drawn)


def measured(task: Task, raw: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
    found = {name: each.numpy() for name, each in evaluated(kind_of(task), raw, target).items()}
    return values_of(task, found)


@seeds
def test_segmentation(seed: int) -> None:
    raw, target = outputs(SEMANTIC, seed), labels(SEMANTIC.channels - 1, seed)
    raw[:, -1] -= 100 * (seed % 2)  # half of the time, the last class is in neither
    found, guess = measured(SEMANTIC, raw, target), raw.argmax(1)
    valid = target != VOID
    flat, truth = guess[valid].numpy(), target[valid].numpy()
    assert found["miou"] == pytest.approx(
        100 * sklearn.jaccard_score(truth, flat, average="macro"))
    assert found["pixel_accuracy"] == pytest.approx(100 * sklearn.accuracy_score(truth, flat))
    counts = kind_of(SEMANTIC).statistics(raw, target)["confusion"].sum(0).numpy()
    assert np.array_equal(counts, sklearn.confusion_matrix(truth, flat, labels=range(6)))
    assert found["miou"] == pytest.approx(100 * float(classification.multiclass_jaccard_index(
        raw, target.long(), 6, average="macro", ignore_index=VOID)), rel=1e-5)
    assert found["pixel_accuracy"] == pytest.approx(100 * float(classification.multiclass_accuracy(
        raw, target.long(), 6, average="micro", ignore_index=VOID)), rel=1e-5)


@seeds
def test_regression(seed: int) -> None:
    raw, target = outputs(DEPTH, seed) + 3, outputs(DEPTH, 50 + seed).abs() + 0.5
    found = measured(DEPTH, raw, torch.where(hole(seed)[:, None], torch.nan, target))
    valid = ~hole(seed)[:, None]
    guess, truth = raw[valid], target[valid]
    pair = truth.numpy(), guess.numpy()
    assert found["abs"] == pytest.approx(sklearn.mean_absolute_error(*pair))
    assert found["rmse"] == pytest.approx(sklearn.root_mean_squared_error(*pair))
    assert found["rel"] == pytest.approx(sklearn.mean_absolute_percentage_error(*pair))
    assert found["abs"] == pytest.approx(float(regression.mean_absolute_error(guess, truth)))
    assert found["rmse"] == pytest.approx(
        float(regression.mean_squared_error(guess, truth, squared=False)))
    assert found["rel"] == pytest.approx(
        float(regression.mean_absolute_percentage_error(guess, truth)))


def angles(guess: torch.Tensor, truth: torch.Tensor, valid: torch.Tensor) -> NDArray[np.float64]:
    """Angles in degrees at the valid pixels, by scipy's cosine distance."""
    pairs = zip(guess.movedim(1, -1)[valid].numpy(), truth.movedim(1, -1)[valid].numpy(),
                strict=True)
    return np.rad2deg(np.arccos([1 - cosine(one, other) for one, other in pairs]))


@seeds
def test_direction(seed: int) -> None:
    truth = kind_of(NORMAL).prediction(outputs(NORMAL, seed))
    raw, valid = 4 * (truth + 0.3 * outputs(NORMAL, 50 + seed)), ~hole(seed)
    found, exact = measured(NORMAL, raw, truth * valid[:, None]), angles(raw, truth, valid)
    assert found["mean"] == pytest.approx(exact.mean())
    middle = np.percentile(exact, 50, method="inverted_cdf")
    assert found["median"] == pytest.approx(middle, abs=BIN_WIDTH)
    for limit, name in ((11.25, "within_11_25"), (22.5, "within_22_5"), (30, "within_30")):
        assert found[name] == pytest.approx(100 * (exact < limit).mean())


@seeds
def test_binary(seed: int) -> None:
    raw, target = 2 * outputs(EDGE, seed), labels(2, seed)
    found, valid = measured(EDGE, raw, target), target != VOID
    probability, truth = raw[:, 0].sigmoid()[valid], target[valid]
    scores = [sklearn.f1_score(truth.numpy(), probability.numpy() >= threshold)
              for threshold in THRESHOLDS]
    assert found["f_max"] == pytest.approx(100 * max(scores))
    share = truth.double().mean()
    weight = torch.where(truth == 1, 1 / share, 1 / (1 - share))
    assert found["balanced_bce"] == pytest.approx(sklearn.log_loss(
        truth.numpy(), probability.numpy(), sample_weight=weight.numpy()))
    # torchmetrics marks p > threshold, so its thresholds sit just below.
    again = [float(classification.binary_f1_score(probability, truth.long(), each - 1e-9))
             for each in THRESHOLDS]
    assert found["f_max"] == pytest.approx(100 * max(again), rel=1e-6)

"""Metrics against hand-computed cases and torchmetrics; what they must and must not depend on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import RequestError
from benchmark.record import MetricInfo, Statistics
from benchmark.tasks import VOID, Task
from benchmark.tasks.binary.metrics import THRESHOLDS
from benchmark.tasks.convention import Convention
from benchmark.tasks.direction.metrics import ANGLE_THRESHOLDS, BIN_WIDTH, BINS
from benchmark.tasks.metric_values import check, metrics_of, statistics_of, values_of
from benchmark.tasks.segmentation.metrics import classes_present

SEMANTIC = Task(name="semantic", kind="segmentation", channels=5)
DEPTH = Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m")
CURVATURE = Task(name="curvature", kind="regression", channels=2)
NORMALS = Task(name="normals", kind="direction", channels=3)
EDGES = Task(name="edges", kind="binary", channels=1)
TASKS = [SEMANTIC, DEPTH, CURVATURE, NORMALS, EDGES]
rng = np.random.default_rng


def count_segmentation(prediction, truth, classes=5) -> Statistics:
    """Confusion [N, K, K] pixel by pixel, from label maps [N, P]."""
    confusion = np.zeros((len(truth), classes, classes), dtype=np.int64)
    for image, (p_row, g_row) in enumerate(zip(prediction, truth, strict=True)):
        for p, g in zip(p_row, g_row, strict=True):
            if g != VOID:
                confusion[image, g, p] += 1
    return {"confusion": confusion}


def count_depth(prediction, truth) -> Statistics:
    """From maps [N, P]; nan is invalid."""
    valid = ~np.isnan(truth)
    positive = valid & (np.nan_to_num(truth) > 0)
    error = np.where(valid, np.abs(prediction - np.nan_to_num(truth)), 0.0)
    safe = np.where(positive, truth, 1.0)
    with np.errstate(divide="ignore"):
        near = np.maximum(prediction / safe, safe / prediction) < 1.25
    return {"pixels": valid.sum(1), "abs": error.sum(1), "squared": (error ** 2).sum(1),
            "positive": positive.sum(1), "relative": np.where(positive, error / safe, 0).sum(1),
            "delta1": (positive & (prediction > 0) & near).sum(1)}


def count_angles(angles, valid=None) -> Statistics:
    """From angles [N, P] in degrees."""
    valid = np.ones(angles.shape, dtype=bool) if valid is None else valid
    edges = np.arange(BINS + 1) * BIN_WIDTH
    histogram = [np.histogram(row[keep], edges)[0] for row, keep in zip(angles, valid, strict=True)]
    return {"pixels": valid.sum(1), "angle": np.where(valid, angles, 0.0).sum(1),
            "histogram": np.array(histogram, dtype=np.int64),
            **{name: (valid & (angles < limit)).sum(1)
               for name, limit in ANGLE_THRESHOLDS.items()}}


def count_binary(probability, truth) -> Statistics:
    """From probabilities and labels [N, P]."""
    valid, one = truth != VOID, truth == 1
    zero = valid & ~one
    above = probability[:, :, None] >= np.array(THRESHOLDS)
    return {"positives": one.sum(1), "negatives": zero.sum(1),
            "true_positive": (above & one[:, :, None]).sum(1),
            "predicted": (above & valid[:, :, None]).sum(1),
            "nll_positive": np.where(one, -np.log(probability), 0.0).sum(1),
            "nll_negative": np.where(zero, -np.log(1 - probability), 0.0).sum(1)}


def example(task: Task, images: int = 7, seed: int = 0) -> Statistics:
    """Plausible statistics of `images` images of unequal numbers of valid pixels."""
    random = rng(seed)
    void = random.random((images, 40)) < random.random((images, 1)) * 0.8
    if task.kind == "segmentation":
        truth = np.where(void, VOID, random.integers(0, 5, (images, 40)))
        guess = np.where(random.random(truth.shape) < 0.6, truth % VOID, 1)
        return count_segmentation(guess, truth)
    if task.kind == "regression":
        truth = np.where(void, np.nan, random.uniform(0.5, 9, (images, 40)))
        counts = count_depth(random.uniform(0.5, 9, truth.shape), truth)
        keep = {statistic.name for statistic in statistics_of(task)}
        return {name: array for name, array in counts.items() if name in keep}
    if task.kind == "direction":
        return count_angles(random.gamma(1.5, 15, (images, 40)).clip(0, 180), ~void)
    truth = np.where(void, VOID, random.integers(0, 2, (images, 40)))
    return count_binary(random.uniform(0.001, 0.999, truth.shape), truth)


def rows(statistics: Statistics, index) -> Statistics:
    return {name: array[index] for name, array in statistics.items()}


# Hand-computed

def test_iou_by_hand():
    # class 0: 3 of 3 + 1; class 1: 1 of 2 + 0; classes 2 to 4 nowhere
    counts = count_segmentation([[0, 0, 0, 0, 1]], [[0, 0, 0, 1, 1]])
    values = values_of(SEMANTIC, counts)
    assert values["miou"] == pytest.approx(100 * (3 / 4 + 1 / 2) / 2)
    assert values["pixel_accuracy"] == pytest.approx(80)
    assert classes_present(counts["confusion"].sum(0)) == 2


def test_a_class_only_predicted_counts_as_zero():
    values = values_of(SEMANTIC, count_segmentation([[0, 3]], [[0, 0]]))
    assert values["miou"] == pytest.approx(100 * (1 / 2 + 0) / 2)


def test_depth_by_hand():
    truth = np.array([[2.0, 4.0, np.nan, 0.0], [10.0, np.nan, np.nan, np.nan]])
    guess = np.array([[1.0, 4.5, 100.0, 3.0], [-2.0, 0.0, 0.0, 0.0]])
    values = values_of(DEPTH, count_depth(guess, truth))
    assert values["abs"] == pytest.approx((1 + 0.5 + 3 + 12) / 4)
    assert values["rmse"] == pytest.approx(math.sqrt((1 + 0.25 + 9 + 144) / 4))
    assert values["rel"] == pytest.approx((1 / 2 + 0.5 / 4 + 12 / 10) / 3)
    assert values["delta1"] == pytest.approx(100 / 3)


def test_angles_by_hand():
    values = values_of(NORMALS, count_angles(np.array([[0.0, 11.25, 22.0, 29.9, 180.0]])))
    assert values["mean"] == pytest.approx((11.25 + 22 + 29.9 + 180) / 5)
    assert values["median"] == pytest.approx(22.25)  # half-way through its bin, 22.0 to 22.5
    assert [values[f"within_{limit}"] for limit in ("11_25", "22_5", "30")] == pytest.approx(
        [20, 60, 80])


def test_f_max_by_hand():
    counts = count_binary(np.array([[0.9, 0.6, 0.6, 0.2]]), np.array([[1, 1, 0, 0]]))
    values = values_of(EDGES, counts)
    assert values["f_max"] == pytest.approx(80)  # at .6: 2 of 2 found, 3 marked
    expected = -(math.log(0.9) + math.log(0.6)) / 4 - (math.log(0.4) + math.log(0.8)) / 4
    assert values["balanced_bce"] == pytest.approx(expected)


# Independent oracles

@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_iou_and_accuracy_agree_with_torchmetrics(seed):
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.classification import (
        multiclass_accuracy,
        multiclass_jaccard_index,
    )
    random = rng(seed)
    truth = random.integers(0, 5, (3, 50))
    truth[random.random(truth.shape) < 0.2] = VOID
    guess = random.integers(0, 5, truth.shape)
    values = values_of(SEMANTIC, count_segmentation(guess, truth))
    given_, wanted = torch.from_numpy(guess), torch.from_numpy(truth)
    iou = multiclass_jaccard_index(given_, wanted, 5, average="macro", ignore_index=VOID)
    accuracy = multiclass_accuracy(given_, wanted, 5, average="micro", ignore_index=VOID)
    assert values["miou"] == pytest.approx(100 * float(iou), rel=1e-5)
    assert values["pixel_accuracy"] == pytest.approx(100 * float(accuracy), rel=1e-5)


def test_f_max_agrees_with_torchmetrics():
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.classification import binary_f1_score
    random = rng(3)
    truth, probability = random.integers(0, 2, (4, 60)), random.uniform(0.001, 0.999, (4, 60))
    # torchmetrics marks p > threshold, so its thresholds sit just below ours
    scores = [float(binary_f1_score(torch.from_numpy(probability), torch.from_numpy(truth),
                                    threshold=threshold - 1e-9)) for threshold in THRESHOLDS]
    found = values_of(EDGES, count_binary(probability, truth))["f_max"]
    assert found == pytest.approx(100 * max(scores), rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_median_is_within_a_bin_of_the_exact_one(seed):
    angles = rng(seed).gamma(2, 12, (2, 501)).clip(0, 180)
    median = values_of(NORMALS, count_angles(angles))["median"]
    ordered = np.sort(angles.ravel())
    assert ordered[500] - BIN_WIDTH <= median <= ordered[501] + BIN_WIDTH


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 180), min_size=1, max_size=7))
def test_median_lies_in_the_bin_of_the_lower_middle_angle(angles):
    median = values_of(NORMALS, count_angles(np.array([angles])))["median"]
    lower = min(sorted(angles)[(len(angles) - 1) // 2], 180 - BIN_WIDTH / 2)
    start = lower // BIN_WIDTH * BIN_WIDTH
    assert start < median <= start + BIN_WIDTH


def test_docs_say_how_far_the_median_is_from_the_mean_of_the_middle_angles():
    values = values_of(NORMALS, count_angles(np.array([[0.0, 127.0]])))
    assert values["median"] == BIN_WIDTH, "63 degrees from the mean of the two"
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert "the bin of the middle angle" in " ".join(text.split())


def test_rmse_and_abs_agree_with_torchmetrics():
    torch = pytest.importorskip("torch")
    from torchmetrics.functional import mean_absolute_error, mean_squared_error
    random = rng(5)
    truth, guess = random.uniform(1, 9, (6, 30)), random.uniform(1, 9, (6, 30))
    values = values_of(DEPTH, count_depth(guess, truth))
    pair = torch.from_numpy(guess), torch.from_numpy(truth)
    assert values["abs"] == pytest.approx(float(mean_absolute_error(*pair)))
    assert values["rmse"] == pytest.approx(float(mean_squared_error(*pair, squared=False)))


# What values must and must not depend on

@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_order_and_sharding_of_images_change_no_bit(task):
    counts = example(task)
    order = rng(1).permutation(7)
    assert values_of(task, rows(counts, order)) == values_of(task, counts)
    shards = [rows(counts, slice(start, None, 3)) for start in range(3)]
    gathered = {name: np.concatenate([shard[name] for shard in shards]) for name in counts}
    assert values_of(task, gathered) == values_of(task, counts)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_conventions_meet_where_they_must(task):
    counts = example(task)
    everything = values_of(task, counts, "batch:7")
    assert everything == values_of(task, counts) == values_of(task, counts, "batch:100")
    if task.kind != "segmentation":
        assert values_of(task, counts, "batch:1") == values_of(task, counts, "image")
    one = rows(counts, slice(2, 3))
    assert values_of(task, one) == values_of(task, one, "image")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_conventions_differ_where_they_must(task):
    counts = example(task)
    pixel, image, batch = (values_of(task, counts, each) for each in ("pixel", "image", "batch:2"))
    for metric in pixel:
        assert pixel[metric] != image[metric]
        assert (pixel[metric] == batch[metric]) == (task.kind == "segmentation")


def test_batches_are_consecutive_and_the_last_one_counts_in_full():
    truth = np.full((3, 2), 1.0)
    guess = truth + np.array([[1, 1], [3, 3], [10, 10]])
    assert values_of(DEPTH, count_depth(guess, truth), "batch:2")["abs"] == pytest.approx(
        (2 + 10) / 2)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("convention", ["pixel", "image", "batch:2"])
@pytest.mark.parametrize("images", [0, 3])
def test_all_void_is_undefined(task, convention, images):
    void = {statistic.name: np.zeros((images, *statistic.shape), dtype=statistic.dtype)
            for statistic in statistics_of(task)}
    assert all(math.isnan(value) for value in values_of(task, void, convention).values())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_void_image_changes_no_convention_by_image(task):
    counts = example(task)
    padded = {name: np.concatenate([array, np.zeros_like(array[:1])])
              for name, array in counts.items()}
    assert values_of(task, padded, "image") == values_of(task, counts, "image")
    assert values_of(task, padded) == values_of(task, counts)


def test_a_perfect_prediction_has_the_best_value():
    truth = rng(0).integers(0, 5, (2, 30))
    assert values_of(SEMANTIC, count_segmentation(truth, truth)) == {
        "miou": 100, "pixel_accuracy": 100}
    depth = rng(0).uniform(1, 9, (2, 30))
    assert values_of(DEPTH, count_depth(depth, depth)) == {
        "abs": 0, "rmse": 0, "rel": 0, "delta1": 100}
    assert values_of(NORMALS, count_angles(np.zeros((2, 30)))) == {
        "mean": 0, "median": BIN_WIDTH / 2, "within_11_25": 100, "within_22_5": 100,
        "within_30": 100}
    edges = np.arange(60).reshape(2, 30) % 2
    values = values_of(EDGES, count_binary(np.where(edges == 1, 1 - 1e-12, 1e-12), edges))
    assert values["f_max"] == 100
    assert values["balanced_bce"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_diverged_image_cannot_be_averaged_away(broken):
    counts = example(DEPTH)
    counts["abs"][3] = broken
    assert math.isnan(values_of(DEPTH, counts, "image")["abs"])
    assert math.isnan(values_of(DEPTH, counts)["abs"])


def test_pixels_without_a_finite_angle_are_worse_than_any():
    counts = count_angles(np.array([[10.0, 20.0, 30.0]]))
    counts["pixels"] = counts["pixels"] + 4  # four more that fell into no bin
    assert math.isnan(values_of(NORMALS, counts)["median"])


def test_f_is_undefined_without_positives():
    values = values_of(EDGES, count_binary(np.array([[0.3, 0.7]]), np.array([[0, 0]])))
    assert math.isnan(values["f_max"])
    assert math.isnan(values["balanced_bce"])


# The contract with records, evaluation and the documentation

@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_metrics_fit_records_and_documentation(task):
    metrics = metrics_of(task)
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [metric.primary for metric in metrics].count(True) == 1
    assert set(values_of(task, example(task))) == {metric.name for metric in metrics}
    for metric in metrics:
        assert MetricInfo(**vars(metric)).name == metric.name
        assert f"`{metric.formula}`" in text
    for statistic in statistics_of(task):
        assert f"`{statistic.name}`" in text


def test_units_and_encodings():
    inverse = Task(name="depth", kind="regression", channels=1, encoding="inverse_depth")
    named = {metric.name: metric for metric in metrics_of(DEPTH)}
    assert named["abs"].unit == named["rmse"].unit == "m"
    assert {metric.name for metric in metrics_of(CURVATURE)} == {"abs", "rmse"}
    formulas = {metric.name: metric.formula for metric in metrics_of(inverse)}
    assert formulas["rel"] == "regression.rel_inverse" != named["rel"].formula


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_check_refuses_what_does_not_fit(task):
    counts = example(task)
    check(task, counts)
    name = next(iter(counts))
    for broken in ({**counts, "more": counts[name]}, {**counts, name: counts[name][..., None]},
                   {**counts, name: counts[name].astype(np.float32)},
                   {key: array for key, array in counts.items() if key != name}):
        with pytest.raises(ValueError, match=task.name):
            check(task, broken)


def test_statistics_that_do_not_fit_are_refused():
    counts = example(NORMALS)
    for broken in ({"pixels": counts["pixels"]}, {**counts, "histogram": counts["pixels"]},
                   {**counts, "angle": counts["angle"][:2]}, {}):
        with pytest.raises(ValueError, match="normals"):
            values_of(NORMALS, broken)


@pytest.mark.parametrize("text", ["", "batch", "batch:0", "batch:-1", "batch:2.5", "Pixel"])
def test_unknown_conventions_are_refused(text):
    with pytest.raises(RequestError, match="batch:N"):
        Convention.parse(text)
    assert str(Convention.parse("batch:64")) == "batch:64"

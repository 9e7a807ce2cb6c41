"""Plots of gradients: where predictions change, and where their distillation loss does."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from benchmark.cli.app import invoke
from benchmark.errors import RequestError
from benchmark.report.plots import draw
from benchmark.report.plots.gradients import Distilling, maps_of
from benchmark.report.plots.previewed import PreviewedRun
from benchmark.tasks import Task
from methods import had
from tests.helpers.previews import SHAPE, TASKS, arrays, left, shown


def steep(maps):
    """Sobel gradient magnitude of [N, H, W], borders replicated."""
    return np.stack([np.hypot(ndimage.sobel(each, 0, mode="nearest"),
                              ndimage.sobel(each, 1, mode="nearest")) for each in maps])


def compared(task, student, teacher):
    """Prediction in channels [N, C, H, W] and distance [N, H, W], in float64."""
    if task.kind == "segmentation":
        odds = np.exp(student - student.max(1, keepdims=True))
        likely = odds / odds.sum(1, keepdims=True)
        label = teacher.argmax(1)
        return likely, -np.log(np.take_along_axis(likely, label[:, None], 1))[:, 0]
    if task.kind == "regression":
        return student, np.abs(student - teacher).mean(1)
    if task.kind == "direction":
        one, other = (each / np.linalg.norm(each, axis=1, keepdims=True)
                      for each in (student, teacher))
        return one, 1 - (one * other).sum(1)
    likely = 1 / (1 + np.exp(-student))
    return likely, -np.log(np.where(teacher > 0, likely, 1 - likely))[:, 0]


@pytest.mark.parametrize("task", TASKS[:3], ids=lambda task: task.kind)
def test_maps_are_those_of_scipy(task, maker):
    left(maker)
    run = shown(maker)
    _matches(run, task)


def test_binary_maps_too(maker):
    left(maker)
    run = shown(maker)
    made = arrays(TASKS[::-1], **SHAPE)
    _matches(dataclasses.replace(run, previews=made), TASKS[3])


def _matches(run: PreviewedRun, task: Task):
    teacher, student = (run.previews.raw[phase, task.name][:2].astype(float) for phase in (3, 4))
    prediction, distance = compared(task, student, teacher)
    found = maps_of(run, task, Distilling.of(run))
    wanted = np.sqrt(sum(steep(each) ** 2 for each in prediction.transpose(1, 0, 2, 3)))
    np.testing.assert_allclose(found.steepness, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.distance, distance, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.gradient, steep(distance), rtol=1e-4, atol=1e-5)
    scaled = np.stack([(each - each.min()) / (each.max() - each.min())
                       for each in steep(distance)])
    assert np.array_equal(found.salient, scaled > 0.9)
    means = had.salient(torch.from_numpy(found.distance), 0.9).numpy()
    np.testing.assert_allclose(means, [each[chosen].mean() for each, chosen in
                                      zip(found.distance, found.salient, strict=True)], rtol=1e-5)


@settings(max_examples=25)
@given(st.integers(0, 99), st.integers(0, 6), st.floats(0.05, 0.95))
def test_what_is_salient_does_not_depend_on_the_unit(seed, power, k):
    run = PreviewedRun("had", None, None, arrays(TASKS, **SHAPE, seed=seed))
    other = PreviewedRun("had", None, None, arrays(TASKS, **SHAPE, seed=seed))
    for phase in (3, 4):
        other.previews.raw[phase, "depth"] *= np.float16(2.0 ** power)
    how = Distilling(False, 1.0, k)
    one, two = (maps_of(each, TASKS[1], how) for each in (run, other))
    assert np.array_equal(one.salient, two.salient)
    np.testing.assert_allclose(two.distance, one.distance * 2.0 ** power)


def test_the_distance_is_that_of_the_methods_settings(maker):
    left(maker, "lwf", method_config={"targets": "soft", "temperature": 2.0,
                                      "salience_threshold": 0.0})
    run = shown(maker)
    how = Distilling.of(run)
    assert how == Distilling(True, 2.0, 0.0)
    teacher, student = (run.previews.raw[phase, "semantic"][0, :, 2, 3].astype(float) / 2
                        for phase in (3, 4))
    p, q = (np.exp(each) / np.exp(each).sum() for each in (teacher, student))
    wanted = 4 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert maps_of(run, TASKS[0], how).distance[0, 2, 3] == pytest.approx(wanted, rel=1e-4)


def test_without_an_old_task_there_is_nothing_to_draw(maker, tmp_path):
    left(maker, "joint")
    with pytest.raises(RequestError, match="learnt in an earlier phase"):
        draw("gradients", maker.collection(), None, tmp_path)


def test_a_real_run_is_drawn_without_a_warning(tiny, tmp_path, capsys):
    tiny("had", settings=["recipe.epochs=1"], runs=tmp_path / "runs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert invoke(["plot", "gradients", "--runs", str(tmp_path / "runs"), "--no-published",
                       "--to", str(tmp_path)]) == 0
    file = tmp_path / "gradients_had_rooms_s1"
    assert capsys.readouterr().out.split() == [f"{file}.png", f"{file}.pdf"]

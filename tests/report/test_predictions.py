"""Plots of predictions: which runs are shown, and that pictures and shares are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps

from benchmark.engine.previews import PREVIEWS_FILE
from benchmark.errors import RequestError
from benchmark.record import STATISTICS_FILE, save_statistics
from benchmark.report.plots import draw, figures
from benchmark.report.plots.figure import NotDrawn
from benchmark.report.plots.imbalance import Shares, shares
from benchmark.report.plots.previewed import MOST
from benchmark.tasks import Task
from benchmark.tasks.appearance import GREY, ClassLegend, colour_key, palette
from tests.helpers.figures import figure_of
from tests.helpers.previews import SHAPE, TASKS, arrays, left, shown, shown_runs

# Which runs ------------------------------------------------------------------------------------

def test_the_lowest_seed_that_kept_previews_stands_for_its_method(maker):
    for seed in (0, 1, 2):
        left(maker, seed=seed, kept=seed > 0)
    left(maker, "joint", 2)
    left(maker, "finetune", 0, kept=False)
    assert [(run.label, run.record.seed, run.bound) for run in shown_runs(maker)] == [
        ("had", 1, False), ("joint", 2, True)]


def test_of_many_methods_the_best_and_the_reference_are_shown(maker):
    for method in ("finetune", "joint", *(f"m{k}" for k in range(12))):
        left(maker, method)
    labels = [run.label for run in shown_runs(maker)]
    assert len(labels) == MOST + 1
    assert labels[-2:] == ["finetune", "joint"]


def test_without_previews_the_command_that_leaves_some_is_told(maker, tmp_path):
    left(maker, kept=False)
    for kind in ("predictions", "imbalance", "gradients"):
        with pytest.raises(RequestError, match=r"lhlbench run --method had .* --overwrite"):
            draw(kind, maker.collection(), None, tmp_path)
    left(maker, sequence="rooms_s2")
    with pytest.warns(NotDrawn, match="rooms_s1: no run left previews.npz"):
        made = dict(figures("predictions", maker.collection()))
    assert [*made] == ["predictions_had_rooms_s2"]


def test_previews_of_another_run_and_damaged_ones_are_refused_by_name(maker, tmp_path):
    folder = left(maker).folder
    partial = arrays(TASKS, **SHAPE)
    del partial.raw[4, "depth"]
    for made in (partial, arrays(TASKS[:3], **SHAPE), arrays(TASKS[::-1], **SHAPE)):
        made.save(folder)
        with pytest.raises(RequestError, match=rf"{PREVIEWS_FILE}: does not hold"):
            draw("predictions", maker.collection(), None, tmp_path)
    (folder / PREVIEWS_FILE).write_bytes(b"PK")
    with pytest.raises(RequestError, match=rf"{PREVIEWS_FILE}: not usable"):
        draw("gradients", maker.collection(), None, tmp_path)


# Predictions -----------------------------------------------------------------------------------

def pictures(figure):
    """The pictures of a figure, [H, W, 3] as uint8, in drawing order; keys left out."""
    found = [image.get_array() for axes in figure.axes for image in axes.images]
    return [np.asarray(each) for each in found if each.shape == (5, 7, 3)]


def pixel(task, made, phase, image, row, column):
    """The colour of one pixel: of the truth when phase is 0."""
    truth = made.truth[task.name]
    here = (image, ..., row, column)
    if phase == 0 and not task.valid(truth)[image, row, column]:
        return (GREY,) * 3
    value = (truth if phase == 0 else made.raw[phase, task.name])[here].astype(np.float32)
    if task.kind == "segmentation":
        return palette(task.channels)[int(value) if phase == 0 else value.argmax()]
    if task.kind == "direction":
        x, y, z = value if phase == 0 else value / np.linalg.norm(value)
        return np.clip([127.5 + 127.5 * x, 127.5 - 127.5 * y, 127.5 - 127.5 * z], 0, 255)
    if task.kind == "binary":
        share = value if phase == 0 else 1 / (1 + np.exp(-value))
    else:
        known = truth[:2][np.isfinite(truth[:2])].astype(float)
        share = (value - known.min()) / (known.max() - known.min())
    return np.multiply(255, colormaps["viridis"](float(np.clip(share, 0, 1).squeeze()))[:3])


def test_every_pixel_has_the_colour_of_its_value(maker):
    left(maker)
    run = shown(maker)
    found = iter(pictures(figure_of("predictions", maker)))
    for place, task in enumerate(TASKS, start=1):
        for image in (0, 1):
            for phase in (None, 0, *range(place, 5)):
                picture = next(found)
                if phase is None:
                    assert np.array_equal(picture, run.previews.images[image].transpose(1, 2, 0))
                    continue
                for row, column in np.ndindex(5, 7):
                    wanted = pixel(task, run.previews, phase, image, row, column)
                    # a colour map has 256 steps: a value on an edge may fall on either side
                    assert np.abs(picture[row, column] - np.asarray(wanted, float)).max() <= 3
    assert next(found, None) is None


def test_methods_stand_side_by_side_with_their_metrics(maker):
    for method in ("finetune", "had", "joint"):
        left(maker, method)
    figure = dict(figures("predictions", maker.collection()))["predictions_rooms_s1"]
    assert len(pictures(figure)) == len(TASKS) * 2 * (2 + 3)
    titles = {axes.get_title("left") for axes in figure.axes}
    for run in shown_runs(maker):
        value = run.record.matrix["semantic"]["miou"][3]
        assert f"{run.label}\nmIoU {value:.2f} %" in titles


def test_files_are_named_after_method_and_sequence(maker, tmp_path):
    left(maker, tasks=TASKS[:2])
    left(maker, "joint", tasks=TASKS[:2])
    files = draw("predictions", maker.collection(), None, tmp_path)
    assert [file.name for file in files] == [
        "predictions_rooms_s1.png", "predictions_rooms_s1.pdf",
        "predictions_had_rooms_s1.png", "predictions_had_rooms_s1.pdf"]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.booleans())
def test_the_key_names_the_classes_that_occur_and_no_others(labels, named):
    task = TASKS[0] if named else Task(name="semantic", kind="segmentation", channels=5)
    truth = np.array([[[*labels[::2], 255]]], np.uint8)
    guess = np.array([[labels[1::2]]], np.uint8)
    key = colour_key(task, truth, guess)
    assert isinstance(key, ClassLegend)
    wanted = sorted(set(labels))
    assert key.names == tuple("abcde"[k] if named else str(k) for k in wanted)
    assert key.colours == tuple(tuple(palette(5)[k].tolist()) for k in wanted)


@given(st.integers(2, 54))
def test_classes_have_colours_of_their_own(classes):
    colours = palette(classes)
    assert len({tuple(colour) for colour in colours[:classes].tolist()}) == classes
    assert (colours[classes:] == GREY).all()


def test_each_kind_of_task_has_a_key_below_its_pictures(maker):
    left(maker)
    figure = figure_of("predictions", maker)
    figure.canvas.draw()
    semantic, depth, normals, edges = figure.subfigs
    assert [text.get_text() for legend in semantic.legends for text in legend.get_texts()] == [
        *"abcde"]
    assert [text.get_text() for legend in normals.legends for text in legend.get_texts()] == [
        "a ball seen from the camera"]
    assert {axes.get_xlabel() for part in (depth, edges) for axes in part.axes} == {
        "", "depth (m)", "probability"}
    for part in figure.subfigs:
        last = [axes.get_window_extent() for axes in part.axes if axes.images]
        for legend in part.legends:
            assert legend.get_window_extent().y1 <= min(box.y0 for box in last) + 1


# Imbalance -------------------------------------------------------------------------------------

def test_shares_are_those_of_a_count(maker):
    left(maker)
    run = shown(maker)
    for task in TASKS:
        raw, truth = run.previews.raw[4, task.name].astype(float), run.previews.truth[task.name]
        counts = np.zeros(task.channels if task.kind == "segmentation" else 2)
        for image in range(3):
            scaled = raw[image] / (np.linalg.norm(raw[image], axis=0) if task.channels == 3 else 1)
            level = scaled.mean(0)
            level = (level - level.min()) / (level.max() - level.min())
            for row, column in np.ndindex(5, 7):
                if task.kind in ("regression", "direction"):
                    counts[int(level[row, column] > 0.5)] += 1
                elif truth[image, row, column] != 255:
                    here = raw[image, :, row, column]
                    counts[here.argmax() if task.kind == "segmentation" else int(here[0] >= 0)] += 1
        found = shares(run, task)
        np.testing.assert_allclose(found.percent, 100 * counts / counts.sum())
        assert len(found.groups) == len(counts)
        assert found.ratio == pytest.approx(counts.max() / counts[counts > 0].min())
        if found.truth is not None:
            known = truth[truth != 255]
            wanted = np.bincount(known, minlength=len(counts)) / known.size
            np.testing.assert_allclose(found.truth, 100 * wanted)


def test_bars_are_sorted_below_the_ratio(maker):
    left(maker)
    left(maker, "joint")
    panels = [axes for axes in figure_of("imbalance", maker).axes if axes.patches]
    assert len(panels) == 2 * len(TASKS)
    for axes in panels:
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == sorted(heights, reverse=True)
        assert sum(heights) == pytest.approx(100)
        names = [label.get_text() for label in axes.get_xticklabels()]
        name, ratio = axes.get_title("left").split("\n")
        found = shares(shown_runs(maker)[0], next(task for task in TASKS if task.name == name))
        assert sorted(names) == sorted(found.groups)
        assert ratio.startswith(f"{found.ratio:.3g} : 1")


@pytest.mark.parametrize(("counts", "text"), [
    ([60, 30, 10], "6 : 1"), ([99, 0, 1], "99 : 1, 1 of 3 never"), ([0, 100, 0], "all in 1 of 3"),
    ([99.99, 0.01, 0], "9,999 : 1, 1 of 3 never")])
def test_the_ratio_names_what_never_occurs(counts, text):
    assert Shares(("a", "b", "c"), np.array(counts, float), None).ratio_text == text


@pytest.mark.parametrize("fields", [{}, {(4, "semantic"): {"confusion": np.zeros((3, 2, 2))}}])
def test_statistics_of_another_run_are_refused_by_name(fields, maker, tmp_path):
    save_statistics(left(maker).folder, fields)
    with pytest.raises(RequestError, match=rf"{STATISTICS_FILE}: does not fit its run"):
        draw("imbalance", maker.collection(), None, tmp_path)

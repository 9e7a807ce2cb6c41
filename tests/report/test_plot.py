"""Plots: files that open and repeat, labels that keep their distance, looks that differ."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from benchmark.cli.app import invoke
from benchmark.errors import RequestError
from benchmark.report import plots
from benchmark.report.plots import draw
from benchmark.report.plots.curves import MANY, SHOWN, spread
from benchmark.report.plots.style import FAINT, looks_of
from benchmark.report.runs.grid import grids_of
from tests.helpers.figures import figure_of

numbers = st.floats(-50, 250, allow_nan=False)


def test_one_png_and_pdf_per_group_the_same_each_time(maker, tmp_path):
    for method in ("finetune", "had", "joint"):
        for seed in (0, 1):
            maker.run(method, seed, tasks=("semantic",))
    maker.run("had", 0, tasks=("semantic",), epochs=5)
    maker.run("ewc", 0, tasks=("semantic",), failed="stopped")
    files = draw("forgetting", maker.collection(), None, tmp_path / "a")
    assert [file.name for file in files] == [
        "forgetting_rooms_s1.png", "forgetting_rooms_s1.pdf",
        "forgetting_rooms_s1_recipe.epochs=5.png", "forgetting_rooms_s1_recipe.epochs=5.pdf"]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert files[1].read_bytes().startswith(b"%PDF")
    again = draw("forgetting", maker.collection(), ["rooms_s1"], tmp_path / "b")
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]
    with pytest.raises(RequestError, match="rooms_s1"):
        draw("forgetting", maker.collection(), ["rooms_s9"], tmp_path)


def test_all_tells_what_it_cannot_draw(maker, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plots, "PLOTS", {kind: plots.PLOTS[kind] for kind in ("orders", "ranks")})
    for method in ("finetune", "had"):
        maker.run(method)
    words = ["plot", "all", "--runs", str(maker.folder), "--no-published", "--to", str(tmp_path)]
    assert invoke([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == [str(tmp_path / f"ranks_rooms_s1.{end}") for end in ("png", "pdf")]
    assert "orders is not drawn: rooms_s1: orders are compared" in err
    assert invoke([*words, "--baseline", "separate"]) == 2  # neither can be drawn
    assert invoke([*words, "--methods", "hat"]) == 2
    assert capsys.readouterr().err.count("lhlbench: ") == 2


def test_panels_show_each_metric_from_the_tasks_own_phase_on(maker):
    for method in ("finetune", "had", "joint"):
        maker.run(method, tasks=("semantic", "depth"))
    figure = figure_of("forgetting", maker)
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == ["semantic mIoU (%) ↑", "semantic pixel accuracy (%) ↑",
                      "depth abs error (m) ↓", "depth RMSE (m) ↓", "depth rel error ↓",
                      "depth δ1 (%) ↑"]
    for axes in figure.axes:
        lines = [line for line in axes.lines if line.get_marker() != "None"]
        dashed = [line for line in axes.lines if line.get_marker() == "None"]
        first = 1 if axes.get_title("left").startswith("semantic") else 2
        assert [list(line.get_xdata()) for line in lines] == [list(range(first, 3))] * 2
        assert len(dashed) == 1
        assert {text.get_text() for text in axes.texts} == {"finetune", "had", "joint"}


def test_labels_do_not_overlap(maker):
    for method in "abcdefghijkl":
        maker.run(method, tasks=("normals", "depth"))
    figure = figure_of("forgetting", maker)
    figure.canvas.draw()
    for axes in figure.axes:
        # of the text alone: an annotation's own extent takes in its leader line
        boxes = sorted((Text.get_window_extent(text) for text in axes.texts),
                       key=lambda box: box.y0)
        assert len(boxes) == 12
        assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))
        assert boxes[-1].y1 < figure.bbox.y1


def test_of_many_methods_the_best_and_finetune_are_told_apart(maker):
    names = [f"m{index:02}" for index in range(MANY + 3)]
    for quality, name in enumerate(names):
        matrix = {"semantic": {"miou": [10.0 + quality], "pixel_accuracy": [50.0 + quality]}}
        maker.run(name, tasks=("semantic",), matrix=matrix)
    maker.run("finetune", tasks=("semantic",), matrix=maker.made[0].record.matrix)
    axes = figure_of("forgetting", maker).axes[0]
    named = {text.get_text() for text in axes.texts}
    assert named == {"finetune", *names[-SHOWN:]}
    assert {line.get_label() for line in axes.lines if line.get_color() == FAINT} == \
        {*names} - named


def test_a_metric_without_values_says_so(maker):
    run = maker.run("had", tasks=("depth",))
    matrix = {"depth": {metric: [None] for metric in run.record.matrix["depth"]}}
    maker.made.clear()
    maker.run("had", tasks=("depth",), matrix=matrix)
    figure = figure_of("forgetting", maker)
    assert {text.get_text() for axes in figure.axes for text in axes.texts} == {"not measured"}


@given(st.lists(numbers, max_size=12), st.floats(1, 10))
def test_spread_keeps_the_gap_the_order_and_the_frame(wanted, gap):
    placed = spread(wanted, gap, 0, 200)
    ordered = [placed[index] for index in sorted(range(len(wanted)), key=lambda i: wanted[i])]
    assert all(b - a >= gap - 1e-9 for a, b in itertools.pairwise(ordered))
    assert all(-1e-9 <= position <= 200 + 1e-9 for position in placed)


@given(st.lists(st.integers(0, 19), unique=True, max_size=12))
def test_spread_moves_nothing_that_has_room(slots):
    wanted = [10.0 * slot for slot in slots]
    assert spread(wanted, 10, 0, 200) == pytest.approx(wanted)


def test_spread_overflows_evenly_when_there_is_no_room():
    assert spread([5, 5, 5], 10, 0, 10) == pytest.approx([-5, 5, 15])


def test_looks_differ_without_colour_too(maker):
    for index in range(28):
        maker.run(f"m{index:02}")
    found = [*looks_of(grids_of(maker.collection())).values()]
    assert len({(look.colour, look.marker) for look in found}) == 28
    assert len({look.marker for look in found[:11]}) == 11


def test_a_method_looks_the_same_in_all_figures(maker):
    orders = {"rooms_s1": ("semantic", "depth"), "rooms_s2": ("depth", "semantic")}
    for sequence, tasks in orders.items():
        for method in ("finetune", "had", "ewc", *(["lwf"] if sequence == "rooms_s2" else [])):
            maker.run(method, sequence=sequence, tasks=tasks)
    looks = {}
    for kind in ("forgetting", "delta", "stability", "tradeoff"):
        for _, figure in plots.figures(kind, maker.collection()):
            for line in (line for axes in figure.axes for line in axes.lines):
                if line.get_marker() not in ("None", None):
                    looks.setdefault(line.get_label(), set()).add(
                        (line.get_color(), line.get_marker()))
    assert {*looks} == {"finetune", "had", "ewc", "lwf"}
    assert all(len(own) == 1 for own in looks.values())


def test_long_names_stay_inside_the_figure(maker):
    for weight in (1.0, 2.0, 3.0):
        for method in ("had", "finetune", "separate", "a_method_with_quite_a_long_name"):
            maker.run(method, 0, "rooms_s1", ("semantic", "depth"),
                      method_config={"weight": weight, "balanced_over_groups": weight > 2})
            maker.run(method, 0, "rooms_s2", ("depth", "semantic"),
                      method_config={"weight": weight, "balanced_over_groups": weight > 2})
    for kind in ("forgetting", "delta", "orders", "ranks", "separate", "matrix"):
        for _, figure in plots.figures(kind, maker.collection(), methods=["*"]):
            figure.canvas.draw()
            drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
            assert min(drawn.x0, drawn.y0) > -0.01, kind
            assert drawn.x1 < width + 0.01, kind
            assert drawn.y1 < height + 0.01, kind

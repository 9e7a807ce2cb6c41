"""What each kind of plot shows: values on axes, names, refusals; not pixels."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmark.errors import RequestError
from benchmark.report import plots
from benchmark.report.plots import ranks, rows
from benchmark.report.plots.figure import NotDrawn
from benchmark.report.plots.style import GREY
from benchmark.report.runs.summary import means_by
from tests.helpers.figures import figure_of, texts

SIGNS = {"semantic": {"miou": 1, "pixel_accuracy": 1},
         "depth": {"abs": -1, "rmse": -1, "rel": -1, "delta1": 1}}
ORDERS = {"rooms_s1": ("semantic", "depth"), "rooms_s2": ("depth", "semantic")}


def gains(**rows):
    """A matrix of values 10 that are better by the shares given: gains(semantic=[0, -.1])."""
    return {task: {metric: [None if share is None else 10 * (1 + sign * share) for share in row]
                   for metric, sign in SIGNS[task].items()} for task, row in rows.items()}


def s1(first, after, second):
    """The matrix of two tasks in the order of rooms_s1."""
    return gains(semantic=[first, after], depth=[None, second])


def s2(first, after, second):
    return gains(depth=[first, after], semantic=[None, second])


@pytest.fixture
def made(maker):
    """Two orders and two seeds; Delta over finetune is the mean of the final shares."""
    for sequence, tasks in ORDERS.items():
        of = s1 if sequence == "rooms_s1" else s2
        for seed in (0, 1):
            for method, first, after, second in (("finetune", .4, 0, 0),
                                                 ("had", .3, .2, .1 + .1 * seed),
                                                 ("separate", .1, .1, .1)):
                maker.run(method, seed, sequence, tasks, matrix=of(first, after, second))
    return maker


def over_separate(task, share):
    """The gain in % of a task `share` better than 10 over the separate model of `made`."""
    each = [(share - .1) / (1 + sign * .1) for sign in SIGNS[task].values()]
    return 100 * sum(each) / len(each)


def marked(axes):
    """Label -> (x, y) of every line with a marker."""
    return {line.get_label(): (line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines
            if line.get_marker() != "None"}


def test_delta_is_the_mean_over_orders_and_seeds_at_every_phase(made):
    axes = figure_of("delta", made).axes[0]
    curves = [list(line.get_ydata()) for line in axes.lines if line.get_marker() != "None"]
    assert curves[0] == pytest.approx([40, 0])
    assert curves[1] == pytest.approx([30, (20 + 15) / 2])
    dashed = [line.get_ydata()[0] for line in axes.lines if line.get_color() == GREY]
    assert dashed == pytest.approx([0, 10])
    assert set(texts(axes)) == {"finetune", "had", "separate"}
    over = figure_of("delta", made, baseline="separate").axes[0]
    finetune = next(line for line in over.lines if line.get_marker() != "None")
    assert list(finetune.get_ydata()) == pytest.approx(
        [(over_separate("semantic", share) + over_separate("depth", share)) / 2
         for share in (.4, 0)])


def test_the_interval_is_over_seeds_within_orders():
    def mean(values):
        frame = pd.DataFrame([("had", *run, value) for run, value in values.items()],
                             columns=["label", "sequence", "seed", "value"])
        (found,) = means_by(frame, ["label"]).itertuples()
        return found.mean, found.low, found.high

    assert mean({("a_s1", 0): 1.0, ("a_s2", 0): 3.0}) == (2, 2, 2)
    same = {(f"a_s{order}", seed): 5.0 * order for order in (1, 2) for seed in (0, 1)}
    assert mean(same) == pytest.approx((7.5, 7.5, 7.5))
    value, low, high = mean({("a_s1", seed): float(seed) for seed in range(5)})
    assert 0 <= low < value == 2 < high <= 4
    assert means_by(pd.DataFrame({"label": ["had"], "sequence": ["a_s1"], "seed": [0],
                                  "value": [float("nan")]}), ["label"]).empty


def test_matrix_writes_values_and_colours_changes(maker):
    maker.run("had", 0, "rooms_s1", ORDERS["rooms_s1"], matrix=s1(.4, .2, .1))
    maker.run("had", 1, "rooms_s1", ORDERS["rooms_s1"], matrix=s1(.4, 0, .1))
    axes, bar = figure_of("matrix", maker).axes
    assert texts(axes) == ["14.0", "11.0", "9.00"]
    _, changes = axes.collections
    (learnt, later), (none, last) = changes.get_array().filled(float("nan"))
    assert none != none
    assert learnt == last == 0
    assert later == pytest.approx(-100 * (2 / 14 + 4 / 14) / 2)
    assert bar.get_xlim() == pytest.approx((later, -later))
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "semantic mIoU (%) ↑", "depth abs error (m) ↓"]


def test_stability_shows_forgetting_and_learning_of_later_tasks(made):
    axes = figure_of("stability", made).axes[0]
    found = marked(axes)
    forgotten = 100 * ((14 - 10) / 14 + 4 / 6) / 2  # mIoU falls, the depth error rises
    learnt = (over_separate("semantic", 0) + over_separate("depth", 0)) / 2
    assert found["finetune"] == pytest.approx((learnt, forgotten))
    assert found["separate"] == pytest.approx((0, 0))
    low, high = axes.get_ylim()
    assert low > high  # less forgetting is higher
    against = marked(figure_of("stability", made, baseline="finetune").axes[0])
    assert against["finetune"][0] == pytest.approx(0)
    assert against["had"][0] == pytest.approx(15)  # .1 and .2 over 10, just learnt


def test_stability_without_separate_models_measures_against_finetune(maker):
    maker.run("finetune", tasks=ORDERS["rooms_s1"])
    maker.run("had", tasks=ORDERS["rooms_s1"])
    axes = figure_of("stability", maker).axes[0]
    assert "over finetune" in axes.get_xlabel()
    maker.made.clear()
    maker.run("finetune", tasks=("semantic",))
    with pytest.raises(RequestError, match="two tasks"):
        figure_of("stability", maker)


def test_tradeoff_places_zero_bytes_on_the_axis(made):
    memory, time = figure_of("tradeoff", made).axes
    assert marked(memory)["finetune"] == pytest.approx((0, 0))
    assert marked(memory)["had"] == pytest.approx((44, 17.5))
    low, high = memory.get_xlim()
    assert low < 0 < 44 < high
    assert 0 in memory.get_xticks()
    assert marked(time)["had"] == pytest.approx((1, 17.5))


def test_ranks_show_the_critical_difference_only_where_runs_allow_one(maker):
    quality = {"finetune": .0, "ewc": .1, "had": .2}
    for seed in range(12):
        for method, share in quality.items():
            maker.run(method, seed, tasks=("semantic",), matrix=gains(semantic=[share]))
    figure = figure_of("ranks", maker)
    assert {"had 1.00", "ewc 2.00", "3.00 finetune"} <= set(texts(figure.axes[0]))
    assert "critical difference 0.96" in " ".join(text.get_text() for text in figure.texts)
    maker.made.pop()
    maker.run("had", 11, tasks=("semantic",), failed="stopped")
    figure = figure_of("ranks", maker)
    told = " ".join(" ".join(text.get_text().split()) for text in figure.texts)
    assert "11 of 12 runs" in told
    assert "No critical difference: ranks need every method" in told
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "had", "ewc", "finetune"]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=5))
def test_mean_ranks_agree_with_counting(runs):
    frame = pd.DataFrame(runs, columns=pd.Index([*"abc"], name="label"), dtype=float)
    frame.index = pd.MultiIndex.from_tuples([("a_s1", seed) for seed in range(len(runs))],
                                            names=["sequence", "seed"])
    found = ranks.mean_ranks(frame).set_index("label")["mean"]
    for index, name in enumerate("abc"):
        slow = [1 + sum(other > run[index] for other in run)
                + (run.count(run[index]) - 1) / 2 for run in runs]
        assert found[name] == pytest.approx(sum(slow) / len(slow))
    assert found.is_monotonic_increasing


def test_ranks_without_a_shared_run_are_refused(maker):
    for seed in (0, 1):
        maker.run("finetune", seed)
    maker.run("had", 0)
    maker.run("ewc", 1)
    with pytest.raises(RequestError, match="no run that all methods share"):
        figure_of("ranks", maker)


def test_orders_name_the_worst_and_the_best(maker):
    for sequence, tasks in ORDERS.items():
        of, share = (s1, .1) if sequence == "rooms_s1" else (s2, .3)
        maker.run("finetune", 0, sequence, tasks, matrix=of(0, 0, 0))
        maker.run("had", 0, sequence, tasks, matrix=of(share, share, share))
    axes = figure_of("orders", maker).axes[0]
    notes = {text.get_text(): text.xy for text in axes.texts}
    assert notes == {"SD": pytest.approx((10, 0)), "DS": pytest.approx((30, 0))}
    assert [text.get_text() for text in axes.get_yticklabels()] == ["had"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["semantic", "depth"]
    with pytest.raises(RequestError, match="two orders"):
        figure_of("orders", maker, ["rooms_s1"])


@given(st.lists(st.text("ab_", min_size=1, max_size=4), min_size=1, max_size=4, unique=True))
def test_orders_that_differ_have_names_that_differ(tasks):
    every = {f"x_s{number}": list(order)
             for number, order in enumerate(itertools.permutations(tasks), 1)}
    called = rows.short_names(every)
    initials = {order[0][0] for order in every.values()}
    if len(initials) == len(tasks):
        assert all(len(name) == len(tasks) for name in called.values())
        assert len(set(called.values())) == len(every)
    assert rows.short_names({"x_s7": list("abcdef")}) == {"x_s7": "s7"}


def test_separate_shows_gains_by_task_and_over_all(made):
    figure = figure_of("separate", made)
    assert [axes.get_title("left") for axes in figure.axes] == ["had", "finetune"]
    gains = [over_separate("semantic", 0), over_separate("depth", 0)]
    at = {line.get_ydata()[0]: line.get_xdata()[0] for line in figure.axes[1].lines
          if line.get_marker() != "None"}
    assert at == pytest.approx({0: gains[0], 1: gains[1], 2: sum(gains) / 2})
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "semantic", "depth", "all tasks"]


def test_names_in_a_scatter_touch_no_mark_and_no_other_name(maker):
    places = [(1, 1), (1.05, 1), (1, 1.02), (1.1, 1.1), (9, 9), (8.9, 9), (5, 5), (5.05, 5.02),
              (0, 9), (.1, 8.9)]
    maker.run("finetune", tasks=ORDERS["rooms_s1"], matrix=s1(.5, .5, 0))
    for index, (learnt, lost) in enumerate(places):
        maker.run(f"method{index}", tasks=ORDERS["rooms_s1"],
                  matrix=s1(.5, .5 - .05 * lost, .05 * learnt))
    figure = figure_of("stability", maker)
    (axes,) = figure.axes
    figure.canvas.draw()
    names = {text.get_text(): Text.get_window_extent(text) for text in axes.texts
             if text.get_text()}
    at = {name: axes.transData.transform(place) for name, place in marked(axes).items()}
    assert {*names} == {*at}
    assert not any(one.overlaps(other) for one, other in itertools.combinations(names.values(), 2))
    assert not any(box.contains(*place) for box in names.values() for place in at.values())
    assert all(axes.bbox.padded(1).contains(*corner) for box in names.values()
               for corner in box.corners())
    for name, box in names.items():
        apart = max(box.x0 - at[name][0], at[name][0] - box.x1, box.y0 - at[name][1],
                    at[name][1] - box.y1)
        assert apart < 100


def test_a_name_is_no_formula(maker, tmp_path):
    for path in ("$\\frac$", "b"):
        maker.run("had", 0, tasks=("semantic",), method_config={"path": path})
    maker.run("finetune", tasks=("semantic",))
    files = plots.draw("forgetting", maker.collection(), None, tmp_path)
    assert files[0].stat().st_size > 1000


def test_methods_are_filtered_and_what_cannot_be_drawn_is_told(maker, tmp_path, monkeypatch):
    shown = []

    def separate(data):
        shown.append([method.label for method in data.grid.methods])
        data.grid.baseline("separate")
        return Figure()

    monkeypatch.setattr(rows, "separate", separate)
    for method in ("finetune", "had", "ewc", "separate"):
        maker.run(method)
    maker.run("had", sequence="other_s1")
    with pytest.warns(NotDrawn, match="other_s1"):
        files = plots.draw("separate", maker.collection(), None, tmp_path)
    assert [file.name for file in files] == ["separate_rooms_s1.png", "separate_rooms_s1.pdf"]
    assert shown == [["had"], ["finetune", "had", "separate"]]
    plots.draw("separate", maker.collection(), ["rooms_s1"], tmp_path, ["e*"])
    assert shown[-1] == ["ewc", "finetune", "separate"]
    for words, match in ((["hat"], "Did you mean had"), (["e*", "x*"], "x\\*")):
        with pytest.raises(RequestError, match=match):
            plots.draw("separate", maker.collection(), None, tmp_path, words)
    with pytest.raises(RequestError, match="takes no baseline"):
        plots.draw("forgetting", maker.collection(), None, tmp_path, (), "joint")
    with pytest.raises(RequestError, match="unknown plot"):
        plots.draw("circles", maker.collection(), None, tmp_path)


def test_a_baseline_that_failed_is_no_baseline(maker, tmp_path):
    maker.run("finetune", failed="stopped")
    maker.run("had")
    maker.run("had", sequence="other_s1", failed="stopped")
    for kind in ("delta", "tradeoff"):
        with pytest.raises(RequestError, match="rooms_s1: no gain over finetune is defined"):
            plots.draw(kind, maker.collection(), ["rooms_s1"], tmp_path)
        with pytest.raises(RequestError, match="other_s1: no finished run"):
            plots.draw(kind, maker.collection(), ["other_s1"], tmp_path)
    assert len(figure_of("matrix", maker, ["rooms_s1"]).axes) == 2

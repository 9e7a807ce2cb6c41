"""Leaderboards of the site: numbers beside a slow reference, ranks, and what is missing."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as some

from benchmark.report.site.charts import HEIGHT, WIDTH, chart, sparkline
from benchmark.report.site.write import write_site
from benchmark.scores import Matrix, delta, delta_curve, relative_forgetting, worst_task
from tests.helpers.site_pages import LeaderboardPage, Markup

ORDERS = {"rooms_s1": ("semantic", "depth", "normals"),
          "rooms_s2": ("normals", "depth", "semantic")}
LEFT_OUT = ("lwf", "rooms_s2", 1)
COMPLETE, INCOMPLETE, BOUNDS = "Lifelong methods with every run", "Runs are missing", "Bounds"


@pytest.fixture
def filled(maker):
    """Three seeds of the first order and two of the second, of all methods but one."""
    for method in ("finetune", "had", "lwf", "der", "joint"):
        for sequence, tasks in ORDERS.items():
            for seed in range(3 if sequence == "rooms_s1" else 2):
                if (method, sequence, seed) != LEFT_OUT:
                    maker.run(method, seed, sequence, tasks)
    return maker


@pytest.fixture
def shown(tmp_path):
    """The leaderboard of a maker's runs against a baseline, as its page shows it."""
    def write(maker, baseline="finetune", sequences=None):
        to = tmp_path / "site"
        write_site(maker.collection(), to, sequences)
        read = map(LeaderboardPage, (to / "index.html", *to.glob("board-*.html")))
        return next(page for page in read if f"Δ vs {baseline} (%) ↑" in page.words)
    return write


def means(runs):
    """The mean over orders of the mean over seeds, of values by (sequence, seed)."""
    return fmean(fmean(value for key, value in runs.items() if key[0] == sequence)
                 for sequence in {sequence for sequence, _ in runs})


def number(text):
    """A number as a page shows it."""
    return float(text.replace("\N{MINUS SIGN}", "-"))


def matrices(maker):
    """By method, then (sequence, seed)."""
    found = {}
    for run in maker.made:
        key = run.record.sequence, run.record.seed
        found.setdefault(run.record.method.name, {})[key] = Matrix.of(run.record)
    return found


@pytest.mark.parametrize("baseline", ["finetune", "joint"])
def test_cells_are_means_over_orders_of_means_over_seeds(filled, shown, baseline):
    runs = matrices(filled)
    page = shown(filled, baseline)
    assert len(page.rows) == 5
    for row in page.group(COMPLETE) + page.group(INCOMPLETE):
        own, reference = runs[row.name], runs[baseline]
        for key, values in {
                "delta": {at: delta(own[at], reference[at]).value for at in own},
                "worst": {at: worst_task(own[at], reference[at]).value for at in own},
                "forgetting": {at: relative_forgetting(own[at]).value for at in own},
                "depth/abs": {at: own[at].final("depth", "abs") for at in own}}.items():
            assert row.cells[key].value == pytest.approx(means(values), rel=1e-6), (row.name, key)
            if key in ("delta", "worst", "forgetting"):
                assert number(row.cells[key].text.split()[0]) == round(means(values), 2)


def test_method_pages_draw_the_mean_gain_after_each_phase(filled, shown, tmp_path):
    shown(filled)
    runs = matrices(filled)
    phases = zip(*([score.value for score in delta_curve(runs["had"][key], runs["finetune"][key])]
                   for key in runs["had"]), strict=True)
    expected = [means(dict(zip(runs["had"], values, strict=True))) for values in phases]
    markup = Markup((tmp_path / "site/methods/had.html").read_text(encoding="utf-8"))
    [described] = [attributes["aria-label"] for tag, attributes in markup.found
                   if tag == "svg" and attributes["aria-label"].startswith("Δ vs finetune")]
    values = [number(word.split()[1])
              for word in described.partition("after phase: ")[2].removesuffix(" %").split(", ")]
    assert values == pytest.approx(expected, abs=0.5)


def test_ranks_are_for_methods_with_every_run(filled, shown):
    page = shown(filled)
    complete = page.group(COMPLETE)
    gains = [row.cells["delta"].value for row in complete]
    assert gains == sorted(gains, reverse=True)
    assert [row.rank for row in complete] == [1, 2, 3]
    assert {row.name for row in complete} == {"finetune", "had", "der"}
    [lacking] = page.group(INCOMPLETE)
    assert (lacking.name, lacking.rank, lacking.cells["runs"].text) == ("lwf", None, "4 of 5")
    assert lacking.cells["method"].text.endswith("missing: rooms_s2 seed 1")
    assert [row.rank for row in page.group(BOUNDS)] == [None]
    assert "the 3 of 4 lifelong methods" in page.sentences[-1]


def test_only_ranked_cells_can_be_the_best(filled, shown):
    page = shown(filled)
    directions = {"delta": max, "semantic/miou": max, "depth/abs": min, "normals/mean": min,
                  "forgetting": min, "bwt": max, "worst": max}
    for key in page.keys:
        best = [row for row in page.rows if row.cells[key].best]
        assert all(row in page.group(COMPLETE) for row in best)
        if key in directions:
            values = [row.cells[key].value for row in page.group(COMPLETE)]
            assert {row.cells[key].value for row in best} == {directions[key](values)}
        else:
            assert not best


def test_an_interval_needs_two_seeds_of_an_order(filled, maker, shown):
    for row in shown(filled).group(COMPLETE):
        mean, _, interval = row.cells["delta"].text.partition(" [")
        low, high = map(number, interval.rstrip("]").split(", "))
        assert low <= number(mean) <= high
    for method in ("finetune", "had"):
        maker.run(method, 0, "other_s1", ORDERS["rooms_s1"], epochs=3)
    alone = shown(maker, sequences=["other*"])
    assert all("[" not in row.cells["delta"].text for row in alone.rows)
    assert any("no interval" in sentence for sentence in alone.sentences)


def test_without_a_baseline_nothing_is_gained_or_ranked(maker, shown):
    for method in ("had", "lwf"):
        maker.run(method)
    page = shown(maker)
    assert all(row.cells["delta"].value is None and row.rank is None for row in page.rows)
    assert all("no run of the baseline finetune" in row.cells["delta"].reason
               for row in page.rows)
    assert any("lhlbench run --method finetune" in sentence for sentence in page.sentences)
    assert "Nothing is ranked" in page.sentences[-1]


def test_a_baseline_that_lacks_runs_is_named(maker, shown):
    for seed in (0, 1):
        maker.run("had", seed)
    maker.run("finetune", 0)
    page = shown(maker)
    assert any("finetune was run at 1 of the 2" in sentence for sentence in page.sentences)


def test_a_failed_run_is_a_missing_one(maker, shown):
    for method in ("finetune", "had", "lwf"):
        for seed in (0, 1):
            maker.run(method, seed, failed="out of memory" if (method, seed) == ("had", 1) else "")
    [lacking] = shown(maker).group(INCOMPLETE)
    assert (lacking.name, lacking.cells["runs"].text) == ("had", "1 of 2")


numbers = some.floats(-1e4, 1e4)
curves = some.lists(numbers | some.none(), min_size=3, max_size=3)


@given(some.lists(curves, min_size=1, max_size=4))
def test_curves_stay_within_their_chart(curves):
    drawn = chart("Δ", curves[1:], curves[0])
    known = [value for curve in curves for value in curve if value is not None]
    assert (drawn is None) == (not known)
    if drawn:
        points = [point for line in drawn.lines for point in line.points]
        assert len(points) == len(known)
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


@given(some.lists(numbers, min_size=2, max_size=6))
def test_higher_values_are_drawn_higher(values):
    heights = [-y for _, y in sparkline(values).line.points]
    for (one, low), (other, high) in zip(zip(values, heights, strict=True),
                                         zip(values[1:], heights[1:], strict=True), strict=False):
        assert (one <= other) or low >= high
        assert (one >= other) or low <= high

"""`lhlbench compare`: verdicts that follow from paired runs and claim no more than they show."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean, median
from textwrap import dedent

import pytest

from benchmark.cli.app import invoke
from benchmark.errors import RequestError
from benchmark.report.compare import Measure, compare, split_names
from benchmark.tasks import Task
from benchmark.tasks.lookup import metrics_of

TASKS = {"semantic": Task(name="semantic", kind="segmentation", channels=13),
         "depth": Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m")}
NAMES = tuple(TASKS)
LEVEL = 20.0
"""Every metric of a run without gain."""


def matrix(gain: float) -> dict:
    """A run whose Delta is `gain` over the run of gain 0, in every metric alike."""
    found = {}
    for learnt, (name, task) in enumerate(TASKS.items()):
        found[name] = {}
        for metric in metrics_of(task):
            value = LEVEL * (1 + (gain if metric.higher_is_better else -gain) / 100)
            found[name][metric.name] = [None] * learnt + [value] * (2 - learnt)
    return found


@pytest.fixture
def runs(maker):
    """Makes the runs of a method from gains by order: `runs("had", {"rooms_s1": [1, 2]})`."""
    def make(method, gains, **more):
        for sequence, each in gains.items():
            for seed, gain in enumerate(each):
                if gain is not None:
                    maker.run(method, seed, sequence, NAMES, matrix=matrix(gain), **more)
        return maker
    return make


def zeros(gains):
    return {order: [0] * len(each) for order, each in gains.items()}


HAD = {"rooms_s1": [5, 6, 7, 8], "rooms_s2": [1, 2.5, 3, 4]}
EWC = {"rooms_s1": [4, 4, 4, 9], "rooms_s2": [0, 0, 0, 0]}


@pytest.fixture
def two(runs):
    runs("finetune", zeros(HAD))
    runs("ewc", EWC)
    return runs("had", HAD)


def compared(maker, *words, **measure):
    [found], notes = compare(maker.collection(), words[:1], words[1:], measure=Measure(**measure))
    assert not notes
    return found


def test_effects_are_those_of_paired_runs(two):
    found = compared(two, "had", "ewc")
    gains = [1, 2, 3, -1, 1, 2.5, 3, 4]
    assert list(found.differences.values()) == pytest.approx(gains)
    assert found.mean == pytest.approx((fmean(gains[:4]) + fmean(gains[4:])) / 2)
    assert found.median == pytest.approx(median(gains))
    assert found.improvement == 7 / 8
    assert found.interval.low < found.mean < found.interval.high
    assert (found.orders, found.seeds) == (["rooms_s1", "rooms_s2"], [0, 1, 2, 3])
    assert found.test.n == 8
    assert found.p == found.test.p < 0.05
    assert found.verdict == "better"
    assert not found.missing


def test_the_other_way_round_is_the_opposite(two):
    found, back = compared(two, "had", "ewc"), compared(two, "ewc", "had")
    assert back.verdict == "worse"
    assert back.mean == pytest.approx(-found.mean)
    assert back.median == pytest.approx(-found.median)
    assert back.improvement == 1 - found.improvement
    assert back.p == found.p


def test_against_the_baseline_the_gain_is_delta(two):
    assert list(compared(two, "had", "finetune").differences.values()) == pytest.approx(
        [*HAD["rooms_s1"], *HAD["rooms_s2"]])


def test_orders_weigh_alike_in_the_mean(runs):
    runs("finetune", {"rooms_s1": [0] * 5, "rooms_s2": [0]})
    made = runs("had", {"rooms_s1": [1] * 5, "rooms_s2": [7]})
    assert compared(made, "had", "finetune").mean == pytest.approx(4)


def test_a_metric_is_compared_in_its_unit_and_direction(two):
    found = compared(two, "had", "ewc", metric="depth/abs")
    assert (found.quantity, found.unit) == ("depth abs error", "m")
    assert found.verdict == "better"
    # An error falls with a gain: 1 point of it is worth a hundredth of the level.
    assert found.median == pytest.approx(LEVEL * 2.25 / 100)
    assert compared(two, "had", "ewc", metric="semantic/miou").unit == "points"


def test_few_runs_are_undecided_however_clear(runs):
    runs("finetune", {"rooms_s1": [0, 0, 0]})
    found = compared(runs("had", {"rooms_s1": [50, 60, 70]}), "had", "finetune")
    assert found.verdict == "undecided"
    assert found.p == found.test.smallest_p == 0.25


def test_a_mean_against_most_runs_is_undecided(runs):
    gains = {f"rooms_s{order}": [1, 1.1, 1.2, 1.3, -200 if order < 4 else 1.4]
             for order in range(1, 7)}
    runs("finetune", zeros(gains))
    found = compared(runs("had", gains), "had", "finetune")
    assert found.p < 0.05
    assert found.mean < 0
    assert found.verdict == "undecided"


def test_equal_runs_are_equal(runs):
    runs("finetune", zeros(HAD))
    runs("ewc", HAD)
    found = compared(runs("had", HAD), "had", "ewc")
    assert (found.verdict, found.p, found.improvement) == ("equal", 1, 0.5)


def test_runs_that_lack_a_partner_are_named_with_their_command(runs, maker):
    runs("finetune", {"rooms_s1": [0, 0, 0, None]})
    runs("joint", {"rooms_s2": [0]})  # neither of the two was started here
    runs("had", {"rooms_s1": [1, 1, None, 1]}, method_config={"weight": 6.0})
    runs("ewc", {"rooms_s1": [2, None, 2, 2]})
    maker.run("ewc", 1, "rooms_s1", NAMES, failed="out of memory")
    found = compared(maker, "had", "ewc")
    assert list(found.differences) == [("rooms_s1", 0)]
    assert {(run.label, run.key[1]): run.command for run in found.missing} == {
        (name, seed): f"lhlbench run --method {name} --sequence rooms_s1 --seed {seed}"
        for name, seed in (("ewc", 1), ("had", 2), ("finetune", 3))}
    assert [run.reason for run in found.missing] == ["failed: out of memory", "", ""]


def test_no_pair_is_not_comparable(runs):
    runs("finetune", {"rooms_s1": [0, 0]})
    runs("ewc", {"rooms_s1": [None, 2]})
    found = compared(runs("had", {"rooms_s1": [1, None]}), "had", "ewc")
    assert (found.verdict, found.p) == ("not comparable", None)
    assert len(found.missing) == 2


def test_an_undefined_delta_is_left_out_with_its_reason(runs, maker):
    runs("finetune", {"rooms_s1": [0]})
    maker.run("finetune", 1, "rooms_s1", NAMES, matrix=matrix(0) | {
        "semantic": {"miou": [0.0, 0.0], "pixel_accuracy": [70, 70]}})
    runs("ewc", {"rooms_s1": [1, 1]})
    found = compared(runs("had", {"rooms_s1": [2, 2]}), "had", "ewc")
    assert list(found.differences) == [("rooms_s1", 0)]
    assert "too near 0" in found.undefined["rooms_s1", 1]
    assert not found.missing


def test_several_comparisons_share_the_level(two, runs):
    runs("lwf", {"rooms_s1": [4, 5, 6, 7], "rooms_s2": [0, 1.5, 2, 3]})
    collection = two.collection()
    found, _ = compare(collection, ["had"], ["*"])
    assert [each.other for each in found] == ["ewc", "finetune", "lwf"]
    alone = sorted(each.test.p for each in found)
    together = sorted(each.p for each in found)
    assert together[0] == 3 * alone[0]
    assert all(p <= q for p, q in zip(alone, together, strict=True))
    assert {each.tests for each in found} == {3}
    many, _ = compare(collection, ["had", "ewc", "finetune"], ["lwf"])
    assert [(each.method, each.other) for each in many] == [
        ("ewc", "lwf"), ("finetune", "lwf"), ("had", "lwf")]
    every, _ = compare(collection, ["*"], ["*"])
    assert len({frozenset((each.method, each.other)) for each in every}) == len(every) == 6


def test_grids_are_compared_apart_and_share_the_level(two, runs):
    for method, gains in (("finetune", zeros(HAD)), ("had", HAD), ("ewc", EWC)):
        runs(method, {order.replace("rooms", "other"): each for order, each in gains.items()})
    found, _ = compare(two.collection(), ["had"], ["ewc"])
    assert [each.grid for each in found] == ["other", "rooms"]
    assert all(each.p == 2 * each.test.p for each in found)
    [one], _ = compare(two.collection(), ["had"], ["ewc"], ["other_*"])
    assert one.p == one.test.p


def test_a_grid_that_cannot_be_compared_leaves_a_note_and_hides_no_other(two, runs):
    runs("had", {"other_s1": [1]})
    runs("ewc", {"other_s1": [1]})
    found, notes = compare(two.collection(), ["had"], ["ewc"])
    assert [each.grid for each in found] == ["rooms"]
    assert "lhlbench run --method finetune --sequence other_s1" in notes[0]


def test_labels_name_configurations(two, runs):
    runs("had", {"rooms_s1": [9]}, method_config={"weight": 6.0, "bins": 3})
    collection = two.collection()
    names = split_names("had, had (bins=3, weight=6.0),ewc")
    assert names == ["had", "had (bins=3, weight=6.0)", "ewc"]
    found, _ = compare(collection, names[1:2], ["had"])
    assert list(found[0].differences.values()) == pytest.approx([4])
    found, _ = compare(collection, ["had*"], ["ewc"])
    assert [each.method for each in found] == names[:2]
    assert len(compare(collection, ["had"], ["ewc"])[0]) == 1


def test_wrong_requests_are_refused(two):
    collection = two.collection()
    with pytest.raises(RequestError, match="Did you mean had"):
        compare(collection, ["hat"], ["ewc"])
    with pytest.raises(RequestError, match="Did you mean depth/abs"):
        compare(collection, ["had"], ["ewc"], measure=Measure("depth/ab"))
    with pytest.raises(RequestError, match="unknown baseline"):
        compare(collection, ["had"], ["ewc"], measure=Measure(baseline="naive"))
    with pytest.raises(RequestError, match="no run of the baseline joint"):
        compare(collection, ["had"], ["ewc"], measure=Measure(baseline="joint"))
    with pytest.raises(RequestError, match="convention"):
        compare(collection, ["had"], ["ewc"], measure=Measure(convention="median"))
    with pytest.raises(RequestError, match="lie beside"):
        compare(collection, ["had"], ["had"])


# The command

def printed(maker, capsys, *words) -> str:
    assert invoke(["compare", *words, "--runs", str(maker.folder), "--no-published"]) == 0
    return capsys.readouterr().out


def test_the_verdict_comes_first_and_all_fits_one_screen(two, capsys):
    text = printed(two, capsys, "had", "ewc")
    first = " ".join(text.split("\n\n")[0].split())
    assert first == ("had is better than ewc on rooms: by 1.94 points of Δ vs finetune in the "
                     "mean, in 7 of 8 paired runs (p = 0.0312).")
    for fact in ("8 (2 orders x 4 seeds)", "+1.94", "+2.25", "0.88", "0.0312", "0.0078 (n = 8)"):
        assert fact in text
    assert len(text.splitlines()) <= 24
    assert all(len(line) <= 80 for line in text.splitlines())


def test_words_never_claim_more_than_the_test(runs, capsys):
    runs("finetune", {"rooms_s1": [0, 0, 0]})
    made = runs("had", {"rooms_s1": [50, 60, None]})
    text = " ".join(printed(made, capsys, "had", "finetune").split())
    assert "had against finetune on rooms is undecided: ahead by 55.00 points" in text
    assert "2 runs can never reach p ≤ 0.05, 6 can" in text
    assert "lhlbench run --method had --sequence rooms_s1 --seed 2" in text
    for claim in ("significant", "better than", "worse than"):
        assert claim not in text


def test_runs_without_a_difference_count_as_pairs_but_not_for_the_test(runs, capsys):
    runs("finetune", {"rooms_s1": [0] * 6})
    made = runs("had", {"rooms_s1": [0, 0, 1, 2, 3, 4]})
    text = " ".join(printed(made, capsys, "had", "finetune").split())
    assert "4 runs that differ can never reach p ≤ 0.05" in text
    assert "6 (rooms_s1 x 6 seeds)" in text


def test_many_comparisons_list_the_decided_and_count_the_others(two, runs, capsys):
    runs("lwf", {"rooms_s1": [5.5, 5.5, 7.5, 7.5], "rooms_s2": [1.5, 2, 3.5, 3.5]})
    text = " ".join(printed(two, capsys, "had,ewc", "lwf", "finetune").split())
    assert "had is better than finetune on rooms" in text
    assert "1 of 3 comparisons are undecided, all of these with too few runs" in text
    assert "against: finetune" in text


def test_scripts_get_all_of_it(two, runs, capsys):
    runs("had", {"rooms_s3": [1]})
    text = printed(two, capsys, "had", "ewc", "--json")
    content = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    [found] = content["comparisons"]
    assert found["verdict"] == "better"
    assert found["pairs"] == len(found["differences"]) == 8
    assert found["interval"][0] < found["mean"] < found["interval"][1]
    assert found["wilcoxon"]["p"] == found["p_holm"]
    assert [run["sequence"] for run in found["missing"]] == ["rooms_s3"] * 2
    assert "had is better than ewc" in found["sentence"]


def test_the_page_shows_what_is_printed(tmp_path, capsys, monkeypatch):
    page = (Path(__file__).parents[2] / "docs/statistics.md").read_text(encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "80")
    assert invoke(["compare", "had", "ewc", "--sequences", "rooms_s1", "--where", "recipe.lr=0.003",
                   "--runs", str(tmp_path)]) == 0
    for line in capsys.readouterr().out.splitlines():
        assert line.rstrip() in page
    _, program, shown = re.split(r"```python\n|```\n\n  ```\n", page)
    exec(dedent(program), {})
    assert dedent(shown.split("  ```")[0]) == capsys.readouterr().out


def test_one_name_is_no_comparison(two, capsys):
    assert invoke(["compare", "had", "--runs", str(two.folder)]) == 2
    assert "two methods or more" in capsys.readouterr().err

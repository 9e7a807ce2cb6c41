"""Tables over orders and ablations: what is paired, averaged, ranked and shown as missing."""

from __future__ import annotations

import csv
import io
import json
import random
import statistics
from pathlib import Path

import pytest

from benchmark.cli.app import invoke
from benchmark.errors import RequestError
from benchmark.report.runs.collection import RunCollection
from benchmark.report.runs.scoring import score_columns
from benchmark.report.tables.build import ablation_tables, order_tables, sequence_tables
from benchmark.report.tables.render import render
from benchmark.scores import Matrix, delta

ORDERS = {"rooms_s1": ("semantic", "depth", "normals"),
          "rooms_s2": ("semantic", "normals", "depth"),
          "rooms_s10": ("normals", "depth", "semantic")}
PAGE = (Path(__file__).parents[2] / "docs/tables.md").read_text(encoding="utf-8")
METHODS = ("finetune", "lwf", "had", "joint")


def fill(maker, methods=METHODS, seeds=(0, 1), **options):
    for method in methods:
        for sequence, tasks in ORDERS.items():
            for seed in seeds:
                maker.run(method, seed, sequence, tasks, **options)
    return maker.collection()


def gains(maker, method, config, sequence):
    """Delta of each seed, without a grid."""
    runs = {(each.record.method.name, each.record.method.config["weight"], each.record.seed):
            Matrix.of(each.record) for each in maker.made if each.record.sequence == sequence}
    return [delta(matrix, runs["finetune", 1.0, seed]).value
            for (name, weight, seed), matrix in sorted(runs.items())
            if (name, weight) == (method, config)]


def rows_of(table):
    return {row.label: row for row in table.rows}


# Orders

def test_each_order_has_a_column_and_all_weigh_the_same(maker):
    collection = fill(maker)
    maker.run("finetune", 2, "rooms_s2", ORDERS["rooms_s2"])
    maker.run("had", 2, "rooms_s2", ORDERS["rooms_s2"])
    one, = order_tables(maker.collection())
    assert [column.key for column in one.columns] == [
        "mean", "worst_order", "rank", "rooms_s1", "rooms_s2", "rooms_s10"]
    cells = rows_of(one)["had"].cells
    means = []
    for sequence in ORDERS:
        values = gains(maker, "had", 1.0, sequence)
        assert cells[sequence].mean == pytest.approx(statistics.mean(values))
        assert cells[sequence].std == pytest.approx(statistics.stdev(values))
        means.append(statistics.mean(values))
    assert cells["mean"].mean == pytest.approx(statistics.mean(means))
    assert cells["mean"].interval.low < cells["mean"].mean < cells["mean"].interval.high
    assert cells["worst_order"].mean == pytest.approx(min(means))
    assert rows_of(one)["lwf"].missing == (("rooms_s2", 2),)
    complete, = order_tables(collection)
    assert complete.rows[0].cells["mean"].best


def test_complete_grids_rank_by_the_mean_over_all_runs(maker):
    one, = order_tables(fill(maker))
    assert not one.holes
    lifelong = [row for row in one.rows if not row.bound]
    assert [row.label for row in lifelong] == ["had", "lwf", "finetune"]
    assert sum(row.cells["rank"].mean for row in lifelong) == pytest.approx(6)
    assert all(row.cells["rank"].n == 6 for row in lifelong)
    assert rows_of(one)["joint"].cells["rank"].mean is None
    for words in ("3 orders (rooms_s1, rooms_s2, rooms_s10)", "2 seeds (0, 1)", "over finetune",
                  "95 % bootstrap interval", "pixel convention", "last epoch"):
        assert words in one.caption


def test_incomplete_grids_show_every_hole_and_rank_nothing(maker):
    fill(maker)
    maker.run("ewc", 1, "rooms_s2", ORDERS["rooms_s2"])
    maker.run("spg", 0, "rooms_s1", ORDERS["rooms_s1"], failed="loss is not finite")
    one, = order_tables(maker.collection())
    assert len(one.holes) == 5 + 6
    assert "lhlbench run --method ewc --sequence rooms_s10 --seed 0" in [
        hole.command for hole in one.holes]
    ewc = rows_of(one)["ewc"]
    assert ewc.cells["rooms_s2"].mean is not None
    assert ewc.cells["mean"].mean is None
    assert ewc.cells["worst_order"].mean is None
    assert [row.label for row in one.rows] == ["ewc", "finetune", "had", "lwf", "spg", "joint"]
    cells = [cell for row in one.rows for cell in row.cells.values()]
    assert not any(cell.best or cell.second for cell in cells)
    assert all(row.cells["rank"].mean is None for row in one.rows)
    text = render([one], "md")
    assert "| 1 of 6 |" in text
    assert "# failed: loss is not finite" in text
    assert "nothing is ranked" in text


def test_without_the_baseline_its_runs_are_the_holes(maker):
    one, = order_tables(fill(maker, ("had", "lwf")))
    assert {hole.label for hole in one.holes} == {"finetune"}
    assert len(one.holes) == 6
    assert all(row.cells["mean"].mean is None for row in one.rows)


def test_a_mean_of_single_seeds_has_no_interval(maker):
    one, = order_tables(fill(maker, seeds=(3,)))
    assert rows_of(one)["had"].cells["mean"].interval is None
    assert "no interval" in one.caption


@pytest.mark.parametrize("build", [sequence_tables, order_tables])
def test_tables_do_not_depend_on_the_order_of_records(maker, build):
    collection = fill(maker)
    expected = build(collection)
    for seed in range(3):
        shuffled = random.Random(seed).sample(collection.complete, len(collection.complete))
        assert build(RunCollection(tuple(shuffled))) == expected


def test_csv_names_runs_by_order_and_seed(maker):
    fill(maker, ("finetune", "had"))
    maker.run("lwf", 1, "rooms_s2", ORDERS["rooms_s2"])
    text = render(order_tables(maker.collection()), "csv")
    lines = list(csv.DictReader(io.StringIO(text)))
    mean = next(line for line in lines if (line["method"], line["column"]) == ("had", "mean"))
    assert float(mean["low"]) < float(mean["mean"]) < float(mean["high"])
    lwf = next(line for line in lines if line["method"] == "lwf")
    assert lwf["runs"] == "rooms_s2:1"
    assert lwf["missing_runs"] == "rooms_s1:0 rooms_s1:1 rooms_s2:0 rooms_s10:0 rooms_s10:1"


# Ablations

def ablated(maker):
    fill(maker, ("finetune", "had"))
    fill(maker, ("had",), method_config={"weight": 5.0})
    fill(maker, ("had",), method_config={"weight": 1.0, "bins": 3}, seeds=(0,))
    fill(maker, ("had",), method_config={"weight": 2.0, "bins": 3}, seeds=(0,))
    return maker


def test_rows_change_one_setting_and_are_paired_with_the_usual_one(maker):
    ablated(maker)
    for seed in (0, 1):  # noise that differs between configurations
        for sequence, tasks in ORDERS.items():
            run = maker.run("had", seed, sequence, tasks, method_config={"weight": 7.0},
                            matrix=dict(maker.run("lwf", seed, sequence, tasks).record.matrix))
            assert run.record.method.config == {"weight": 7.0}
    one, = ablation_tables(maker.collection(), "had")
    assert [row.label for row in one.rows] == [
        "had", "had (bins=3)", "had (weight=5.0)", "had (weight=7.0)"]
    assert any("changes several settings: had (bins=3, weight=2.0)" in note for note in one.notes)
    expected = statistics.mean(
        other - usual for sequence in ORDERS for other, usual in zip(
            gains(maker, "had", 7.0, sequence), gains(maker, "had", 1.0, sequence), strict=True))
    found = rows_of(one)["had (weight=7.0)"].cells
    assert found["difference"].mean == pytest.approx(expected)
    assert rows_of(one)["had"].cells["difference"].mean == 0
    assert {hole.label for hole in one.holes} == {"had (bins=3)"}
    assert "of had of the same sequence and seed" in one.caption


def test_configurations_that_change_nothing_are_equally_good(maker):
    fill(maker, ("finetune",))
    for config in ({"weight": 1.0, "bins": 2}, {"weight": 5.0, "bins": 2},
                   {"weight": 1.0, "bins": 3}):
        fill(maker, ("lwf",), method_config=config)
    one, = ablation_tables(maker.collection(), "lwf")
    assert [row.label for row in one.rows] == ["lwf", "lwf (bins=3)", "lwf (weight=5.0)"]
    assert not one.holes
    # The same matrices under each configuration: equal, and equally good.
    assert {row.cells["difference"].mean for row in one.rows} == {0}
    assert all(row.cells["delta"].best and not row.cells["delta"].second for row in one.rows)


def test_a_baseline_that_was_run_elsewhere_only_is_a_hole(maker):
    maker.run("finetune", 0, "rooms_s2", ORDERS["rooms_s2"])
    maker.run("had", 0, "rooms_s1", ORDERS["rooms_s1"])
    maker.run("had", 1, "rooms_s1", ORDERS["rooms_s1"])
    maker.run("had", 0, "rooms_s1", ORDERS["rooms_s1"], method_config={"weight": 5.0})
    one, = ablation_tables(maker.collection(), "had")
    assert [hole.command for hole in one.holes] == [
        "lhlbench run --method had --sequence rooms_s1 --seed 1 --method-set weight=5.0",
        "lhlbench run --method finetune --sequence rooms_s1 --seed 0",
        "lhlbench run --method finetune --sequence rooms_s1 --seed 1"]
    assert all(cell.mean is None for row in one.rows for cell in row.cells.values())


def test_the_usual_configuration_can_be_named(maker):
    fill(maker, ("finetune", "had"))
    fill(maker, ("had",), method_config={"weight": 5.0})
    with pytest.raises(RequestError, match=r"--ablation 'had \(weight=1.0\)'"):
        ablation_tables(maker.collection(), "had")
    one, = ablation_tables(maker.collection(), "had (weight=5.0)")
    assert [row.label for row in one.rows] == ["had (weight=5.0)", "had (weight=1.0)"]
    assert not one.holes
    with pytest.raises(RequestError, match="Did you mean had"):
        ablation_tables(maker.collection(), "hat")
    with pytest.raises(RequestError, match="--method-set KEY=VALUE"):
        ablation_tables(maker.collection(), "finetune")


# The command

@pytest.mark.parametrize("words", [
    ["--columns", "delta,delta_separate,delta_joint,worst,forgetting,transfer,gap"],
    ["--columns", "delta", "--convention", "image"]])
def test_what_the_page_about_tables_shows_is_printed(words, tmp_path, capsys):
    command = ["table", "--sequences", "rooms_s1", "--where", "recipe.lr=0.003", *words,
               "--format", "md"]
    assert f"\nlhlbench {' '.join(command)}\n" in PAGE
    assert invoke([*command, "--runs", str(tmp_path)]) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(printed) > 8
    for line in printed:
        assert line in PAGE


def test_the_page_about_tables_lists_every_column():
    for name in ("metrics", "rank", "rank_bounds", *score_columns("finetune")):
        assert f"`{name}`" in PAGE


def test_the_command_makes_each_kind_of_table(maker, capsys):
    fill(maker)
    where = ["--runs", str(maker.folder), "--no-published", "--json"]
    for words, keys in (
            (["--orders"], ["mean", "worst_order", "rank", *ORDERS]),
            (["--sequences", "rooms_s1", "--columns", "gap,worst"], ["gap", "worst"]),
            (["--sequences", "rooms_s1", "--columns", "metrics", "--all-metrics"],
             ["semantic/miou", "semantic/pixel_accuracy", "depth/abs", "depth/rmse", "depth/rel",
              "depth/delta1", "normals/mean", "normals/median", "normals/within_11_25",
              "normals/within_22_5", "normals/within_30"])):
        assert invoke(["table", *words, *where]) == 0
        one, = json.loads(capsys.readouterr().out)
        assert [column["key"] for column in one["columns"]] == keys
    assert invoke(["table", "--orders", "--costs", *where]) == 2
    assert "--costs and --orders ask for different tables" in capsys.readouterr().err
    assert invoke(["table", "--ablation", "had", *where]) == 2
    assert "--method-set" in capsys.readouterr().err

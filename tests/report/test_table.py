"""Tables: what is averaged, paired, ranked, marked and shown as missing; every format escaped."""

from __future__ import annotations

import csv
import io
import json
import shlex
import statistics
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmark import report
from benchmark.errors import RequestError
from benchmark.record import save_statistics
from benchmark.report.runs.collection import RunCollection
from benchmark.report.runs.grid import BASELINES
from benchmark.report.tables.build import sequence_tables
from benchmark.report.tables.render import render

METHODS = ("finetune", "lwf", "had", "joint", "separate")


def complete(maker, seeds=(0, 1, 2), methods=METHODS, **options):
    for seed in seeds:
        for method in methods:
            maker.run(method, seed, **options)
    return maker.collection()


def rows_of(one):
    return {row.label: row for row in one.rows}


def flat_matrix(first, second):
    """Two tasks of one phase each: semantic ends at `first`, depth at `second`; rest constant."""
    return {"semantic": {"miou": [first[0], first[1]], "pixel_accuracy": [50.0, 50.0]},
            "depth": {"abs": [None, second], "rmse": [None, 1.0], "rel": [None, 1.0],
                      "delta1": [None, 50.0]}}


def pair(maker, method, seed, first, second):
    maker.run(method, seed, tasks=("semantic", "depth"), matrix=flat_matrix(first, second))


def test_cells_by_hand(maker):
    pair(maker, "finetune", 0, (40, 20), 0.5)
    pair(maker, "finetune", 1, (40, 10), 0.5)
    pair(maker, "had", 0, (40, 30), 0.4)
    pair(maker, "had", 1, (50, 30), 0.6)
    one, = sequence_tables(maker.collection())
    had = rows_of(one)["had"].cells
    # per seed: task means over metrics (+50 % and 0, +200 % and 0), (+20 % or -20 %, rest 0)
    gains = [((50 + 0) / 2 + 20 / 4) / 2, ((200 + 0) / 2 - 20 / 4) / 2]
    assert had["delta"].mean == pytest.approx(statistics.mean(gains))
    assert had["delta"].std == pytest.approx(statistics.stdev(gains))
    assert had["semantic/miou"].mean == 30
    assert had["depth/abs"].mean == pytest.approx(0.5)
    assert had["forgetting"].mean == pytest.approx((25 + 40) / 2)
    assert had["bwt"].mean == pytest.approx(-had["forgetting"].mean)
    assert had["train"].mean == pytest.approx(2 * 13.0)
    assert had["carried"].mean == 44
    assert rows_of(one)["finetune"].cells["delta"].mean == 0


def test_delta_pairs_seeds(maker):
    pair(maker, "finetune", 0, (40, 20), 0.5)
    pair(maker, "had", 0, (40, 40), 0.5)
    pair(maker, "had", 7, (40, 90), 0.5)
    one, = sequence_tables(maker.collection())
    cell = rows_of(one)["had"].cells["delta"]
    assert (cell.mean, cell.n) == (pytest.approx(25), 1)
    assert "25.00 (n=1)" in render([one], "md")


def test_an_undefined_ratio_is_missing_with_its_reason(maker):
    pair(maker, "finetune", 0, (40, 0.0), 0.5)
    pair(maker, "had", 0, (40, 40), 0.5)
    one, = sequence_tables(maker.collection())
    cell = rows_of(one)["had"].cells["delta"]
    assert cell.mean is None
    assert "semantic miou" in cell.reason
    assert [note for note in one.notes if "semantic miou" in note and note.startswith("Δ")]


def test_complete_tables_rank_and_mark_lifelong_methods_only(maker):
    one, = sequence_tables(complete(maker))
    assert not one.holes
    assert [row.label for row in one.rows][:3] == ["had", "lwf", "finetune"]
    assert [row.bound for row in one.rows] == [False, False, False, True, True]
    ranks = [row.cells["rank"].mean for row in one.rows[:3]]
    assert sum(ranks) == pytest.approx(6)
    assert one.rows[0].cells["delta"].best
    assert not any(cell.best for row in one.rows if row.bound for cell in row.cells.values())
    assert all(row.cells["forgetting"].mean is None for row in one.rows if row.bound)
    assert all(row.cells["delta"].mean > 0 for row in one.rows if row.bound)


def test_holes_are_shown_and_nothing_is_ranked(maker):
    complete(maker)
    maker.run("spg", 1)
    maker.run("ewc", 2, failed="loss is\nnot finite")
    maker.run("had", 0, method_config={"weight": 1.0, "note": "two words"})
    one, = sequence_tables(maker.collection())
    commands = [hole.command for hole in one.holes]
    assert len(commands) == 2 + 3 + 2
    assert "lhlbench run --method spg --sequence rooms_s1 --seed 0" in commands
    assert ("lhlbench run --method had --sequence rooms_s1 --seed 1 "
            "--method-set 'note=two words'") in commands
    assert all(row.cells["rank"].mean is None for row in one.rows)
    assert not any(cell.best for row in one.rows for cell in row.cells.values())
    assert rows_of(one)["spg"].missing == (("rooms_s1", 0), ("rooms_s1", 2))
    text = render([one], "md")
    assert "1 of 3" in text
    assert "0 of 3" in text
    assert "--seed 2  # failed: loss is not finite" in text
    assert "nothing is ranked" in one.caption


def test_commands_name_the_recipe_of_their_table(maker):
    complete(maker)
    maker.run("lwf", 0, epochs=5)
    _, other = sequence_tables(maker.collection())
    assert [shlex.split(hole.command)[-2:] for hole in other.holes] == [
        ["--set", "recipe.epochs=5"]]
    assert other.holes[0].label == "finetune"
    assert other.rows[0].cells["delta"].mean is None


def test_captions_say_how_the_numbers_came_about(maker):
    collection = complete(maker)
    for baseline in BASELINES:
        one, = sequence_tables(collection, baseline=baseline)
        for word in ("pixel convention", "last epoch", f"gain over {baseline} ", "3 seeds",
                     "1 order (semantic, depth, normals)"):
            assert word in one.caption
        assert rows_of(one)[baseline].cells["delta"].mean == 0
    with pytest.raises(RequestError, match="finetune"):
        sequence_tables(collection, baseline="finetun")
    with pytest.raises(RequestError, match="batch:N"):
        sequence_tables(collection, convention="batch")


def test_all_metrics_can_be_columns(maker):
    collection = complete(maker, seeds=(0,))
    primary, = sequence_tables(collection)
    everything, = sequence_tables(collection, all_metrics=True)
    assert [column.key for column in primary.columns][:3] == [
        "semantic/miou", "depth/abs", "normals/mean"]
    assert sum("/" in column.key for column in everything.columns) == 2 + 4 + 5


def test_other_conventions_come_from_the_statistics(maker):
    run = maker.run("finetune", tasks=("depth",), matrix={"depth": {
        "abs": [2.5], "rmse": [2.5], "rel": [1.0], "delta1": [0.0]}})
    missing = maker.run("had", tasks=("depth",))
    # 1 pixel off by 1, and 3 pixels off by 3: 2.5 by pixel, 2 by image
    counts = {"pixels": [1, 3], "abs": [1.0, 9.0], "squared": [1.0, 27.0], "positive": [1, 3],
              "relative": [1.0, 3.0], "delta1": [0, 0]}
    save_statistics(run.folder, {(1, "depth"): {name: np.array(array)
                                                for name, array in counts.items()}})
    for convention, expected in (("pixel", 2.5), ("image", 2.0), ("batch:2", 2.5)):
        one, = sequence_tables(maker.collection(), convention=convention)
        assert rows_of(one)["finetune"].cells["depth/abs"].mean == pytest.approx(expected)
    assert any(missing.record.run_id in note and "statistics.npz" in note for note in one.notes)
    assert [hole.label for hole in one.holes] == ["had"]
    assert "batches of 2" in one.caption


def test_statistics_that_do_not_fit_leave_a_run_out(maker):
    run = maker.run("finetune", tasks=("depth",))
    save_statistics(run.folder, {(1, "depth"): {"pixels": np.array([1])}})
    one, = sequence_tables(maker.collection(), convention="image")
    assert one.rows[0].runs == ()
    assert "does not fit" in " ".join(one.notes)


# Formats

NASTY = "<b>&|_%$#{}~^\\`* é"


def nasty(maker):
    complete(maker, seeds=(0,), methods=("finetune", "had"))
    maker.run("had", 0, method_config={"weight": 1.0, "mode": NASTY})
    return sequence_tables(maker.collection())


def test_html_is_escaped_and_balanced(maker):
    class Checker(HTMLParser):
        open_tags: list[str] = []
        text = ""

        def handle_starttag(self, tag, attrs):
            assert tag != "b"
            self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

        def handle_data(self, data):
            self.text += data

    checker = Checker()
    checker.feed(render(nasty(maker), "html"))
    assert not checker.open_tags
    assert NASTY in checker.text


def test_markdown_rows_have_one_width(maker):
    text = render(nasty(maker), "md")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.replace("\\|", "").count("|") for line in rows}
    assert len(widths) == 1
    assert "<b>" not in text.replace("\\<", "").split("Missing runs")[0]


def test_latex_is_escaped_and_set_in_booktabs(maker):
    text = render(nasty(maker), "latex")
    assert text.isascii() or "é" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.replace(r"\&", "").count("&") for line in body}) == 1
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    for symbol in ("±", "Δ", "↑", "—"):
        assert symbol not in text
    outside = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert all(outside[index - 1] == "\\" for index, character in enumerate(outside)
               if character in "%#")


def test_csv_is_tidy_and_agrees_with_the_table(maker):
    tables = sequence_tables(complete(maker))
    lines = list(csv.DictReader(io.StringIO(render(tables, "csv"))))
    assert len(lines) == len(tables[0].rows) * len(tables[0].columns)
    line = next(each for each in lines if (each["method"], each["column"]) == ("had", "delta"))
    assert float(line["mean"]) == rows_of(tables[0])["had"].cells["delta"].mean
    assert (line["convention"], line["baseline"], line["seeds"]) == ("pixel", "finetune", "0 1 2")


def test_json_is_strict_and_complete(maker):
    content = json.loads(render(nasty(maker), "json"), parse_constant=pytest.fail)
    assert {"caption", "columns", "rows", "holes", "notes", "convention"} <= set(content[0])


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_terminals_of_any_width_show_every_number_whole(maker, width):
    tables = sequence_tables(complete(maker))
    stream = io.StringIO()
    assert render(tables, "rich", Console(file=stream, width=width)) is None
    text = stream.getvalue()
    for row in tables[0].rows:
        for column in tables[0].columns:
            cell = row.cells[column.key]
            if cell.mean is not None and column.unit == "%":
                assert f"{cell.mean:.2f} ± {cell.std:.2f}" in text
    assert all(len(line) <= width for line in text.splitlines())


def test_unknown_formats_are_refused_and_no_tables_are_no_text():
    with pytest.raises(RequestError, match="latex"):
        render([], "latx")
    assert sequence_tables(RunCollection(())) == []
    assert json.loads(render([], "json")) == []


def test_runs_and_tables_are_imported_without_heavy_packages():
    """pandas comes in once a table is built."""
    folder = Path(report.__file__).parent
    modules = [f"benchmark.report.{room}.{file.stem}" for room in ("runs", "tables")
               for file in (folder / room).glob("[a-z]*.py")]
    assert len(modules) > 8
    code = (f"import sys, benchmark.report.compare, {', '.join(modules)}; "
            "print([name for name in ('torch', 'pandas', 'matplotlib', 'scipy') "
            "if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""The tables of papers: measured numbers beside published ones, and what is missing."""

from __future__ import annotations

import csv
import io
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmark.cli.app import invoke
from benchmark.config.shipped import shipped
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from benchmark.record import Record
from benchmark.report.papers.build import paper_tables
from benchmark.report.papers.mapping import TableMapping, load_mapping
from benchmark.report.papers.published import paper_names, published_cells
from benchmark.report.papers.text import render_paper
from benchmark.report.runs.collection import RunCollection, StoredRun, collect
from benchmark.report.runs.frame import matrix_of
from tests.helpers.papers import NO_RUNS, cells_of, run_as_planned, table_of

FILLED = ("finetune", "ewc", "lwf", "icarl", "der", "spg", "sgp", "had")
RESNET18 = "had, lifelong: nyuv2, resnet18"


@pytest.fixture
def nyuv2(maker):
    """Every method of HAD's table with two seeds, SPG with one."""
    return RunCollection(tuple(run_as_planned(maker, method, seed=seed) for seed in (0, 1)
                               for method in (*FILLED, "joint") if (method, seed) != ("spg", 1)))


def had_tables(collection, *options, **more):
    """The tables of HAD's paper; options as of `paper_tables`."""
    return paper_tables(published_cells("had"), collection, *options, **more)


def relative(run, baseline):
    """Delta by hand, in %: the mean gain within a task, then over tasks."""
    gains = []
    for task in run.tasks:
        own = []
        for metric in task.metrics:
            new = run.matrix[task.name][metric.name][-1]
            old = baseline.matrix[task.name][metric.name][-1]
            own.append((new - old if metric.higher_is_better else old - new) / abs(old))
        gains.append(sum(own) / len(own))
    return 100 * sum(gains) / len(gains)


def record_of(collection, method, seed):
    return next(found.record for found in collection.complete
                if (found.record.method.name, found.record.seed) == (method, seed))


# Measured beside published.

def test_delta_stands_beside_the_papers_with_its_difference(nyuv2):
    cells = cells_of(table_of(had_tables(nyuv2), RESNET18))
    for method, run, value in (("HAD", "had", 32.74), ("LwF", "lwf", 24.74),
                               ("joint", "joint", 40.83)):
        pair = cells[method, "all delta"]
        expected = [relative(record_of(nyuv2, run, seed), record_of(nyuv2, "finetune", seed))
                    for seed in (0, 1)]
        assert pair.here.mean == pytest.approx(sum(expected) / 2)
        assert pair.here.std == pytest.approx(abs(expected[0] - expected[1]) / 2**.5)
        assert (pair.here.n, pair.paper.number) == (2, value)
        assert pair.difference == pytest.approx(sum(expected) / 2 - value)
    miou = [record_of(nyuv2, "had", seed).matrix["semantic"]["miou"][-1] for seed in (0, 1)]
    assert cells["HAD", "semantic miou"].here.mean == pytest.approx(sum(miou) / 2)
    assert cells["SPG", "semantic miou"].here.n == 1


def test_rows_with_fewer_seeds_come_with_the_commands_they_lack(nyuv2):
    table = table_of(had_tables(nyuv2), RESNET18)
    assert table.incomplete == (
        "lhlbench run --method spg --sequence nyuv2_s1 --seed 1 --recipe paper_resnet18",)
    assert table.incomplete[0] in render_paper([table], "html")
    whole = RunCollection(tuple(found for found in nyuv2.complete if found.record.seed == 0))
    assert not had_tables(whole)[0].incomplete


def test_another_convention_scores_runs_again():
    """The published runs hold statistics."""
    runs = collect(Path("nowhere"), shipped("results/published")).with_settings(
        ["recipe.lr=0.003"])
    pixel, batch = (cells_of(had_tables(runs, True, ["rooms_s1"], text)[0])
                    for text in ("pixel", "batch:64"))
    again = [matrix_of(found, "batch:64").final("depth", "abs") for found in runs.complete
             if found.record.method.name == "lwf"]
    assert batch["LwF", "depth abs"].here.mean == pytest.approx(float(np.mean(again)))
    assert batch["LwF", "depth abs"].here.mean != pixel["LwF", "depth abs"].here.mean
    with pytest.raises(RequestError, match="batch:64"):
        had_tables(runs, True, convention="batch")


def test_what_the_paper_does_not_state_stays_unknown(nyuv2):
    tables = had_tables(nyuv2, sequences=["nyuv2_s1"])
    pair = cells_of(tables[0])["LwF", "semantic miou"]
    assert pair.here.mean is not None
    assert (pair.paper.status, pair.paper.number, pair.difference) == ("unknown", None, None)
    for format in ("md", "latex", "html"):
        lines = [line for line in render_paper(tables[:1], format).splitlines()
                 if "LwF" in line and "published" in line]
        assert len(lines) == 1 and lines[0].count("unknown") == 4 and "24.74" in lines[0]
    content = json.loads(render_paper(tables[:1], "json"))[0]["cells"]
    line = next(each for each in content if (each["method"], each["metric"]) == ("LwF", "miou"))
    assert (line["published"], line["status"]) == (None, "unknown") and line["mean"] > 0
    line = next(each for each in csv.DictReader(io.StringIO(render_paper(tables[:1], "csv")))
                if (each["method"], each["metric"]) == ("LwF", "miou"))
    assert (line["published"], line["status"], line["difference"]) == ("", "unknown", "")


def test_ranks_need_every_method_at_the_same_seed(nyuv2):
    cells = cells_of(table_of(had_tables(nyuv2), RESNET18))
    expected = dict.fromkeys(FILLED, 0.0)
    tasks = record_of(nyuv2, "had", 0).tasks
    for task in tasks:
        for metric in task.metrics:
            finals = {method: record_of(nyuv2, method, 0).matrix[task.name][metric.name][-1]
                      for method in FILLED}
            ordered = sorted(FILLED, key=finals.get, reverse=metric.higher_is_better)
            for method in FILLED:
                expected[method] += (ordered.index(method) + 1) / len(task.metrics) / len(tasks)
    for label, method in (("naive", "finetune"), ("HAD", "had"), ("SPG", "spg")):
        rank = cells[label, "all rank"].here
        assert (rank.mean, rank.n) == (pytest.approx(expected[method]), 1)  # SPG has seed 0 only
    assert cells["joint", "all rank"].here.reason == "bounds are not ranked"
    less = RunCollection(tuple(found for found in nyuv2.complete
                            if found.record.method.name != "icarl"))
    cells = cells_of(table_of(had_tables(less), RESNET18))
    assert cells["HAD", "all rank"].here.mean is None
    assert cells["HAD", "all rank"].commands == (
        "lhlbench run --method icarl --sequence nyuv2_s1 --seed 0 --recipe paper_resnet18",)


@pytest.mark.parametrize("other", [
    {"method_settings": ["weight=6"]}, {"settings": ["recipe.epochs=5"]}, {"recipe": "released"},
    {"settings": ["dataset.size=[144,192]"]}, {"sequence": "nyuv2_s2"}])
def test_a_run_of_anything_else_fills_no_cell(maker, other):
    made = RunCollection((run_as_planned(maker, "had", **other),))
    pair = cells_of(table_of(had_tables(made), RESNET18))[
        "HAD", "semantic miou"]
    assert pair.here.mean is None and pair.commands


def test_runs_of_other_data_are_not_mixed_in(maker):
    runs = [run_as_planned(maker, "had", seed=seed) for seed in (0, 1, 2)]
    dataset = runs[2].record.dataset.model_copy(update={"fingerprint": "0" * 64})
    runs[2] = StoredRun(runs[2].record.model_copy(update={"dataset": dataset}), runs[2].folder)
    table = table_of(had_tables(RunCollection(tuple(runs))), "had, lifelong: nyuv2")
    assert cells_of(table)["HAD", "semantic miou"].here.n == 2
    assert any("1 runs of other data" in note for note in table.notes)


def test_a_metric_in_another_unit_is_not_put_beside_the_papers(maker):
    made = run_as_planned(maker, "had")
    text = made.record.model_dump_json(by_alias=True)
    assert '"unit":"m"' in text
    other = Record.model_validate_json(text.replace('"unit":"m"', '"unit":"cm"'))
    table = table_of(had_tables(RunCollection((StoredRun(other, made.folder),))),
                     RESNET18)
    cells = cells_of(table)
    assert cells["HAD", "depth abs"].here.reason == "depth abs is measured in cm here"
    assert cells["HAD", "semantic miou"].here.mean is not None


def test_an_ablation_is_known_by_its_settings(maker):
    runs = [run_as_planned(maker, "had"),
            run_as_planned(maker, "had", method_settings=["salient=false"])]
    table = table_of(had_tables(RunCollection(tuple(runs))), "had, ablation")
    cells = cells_of(table)
    assert cells["HAD without SG", "all delta"].here.mean == pytest.approx(
        relative(runs[1].record, runs[0].record))
    assert cells["HAD without SG", "all delta"].difference is None  # the data set is not stated
    assert cells["HAD, 10 bins", "all delta"].commands == (
        "lhlbench run --method had --sequence nyuv2_s1 --seed 0 --method-set group_bins=10 "
        "--recipe paper_resnet18",)


def test_a_failed_run_is_a_hole_that_says_why(maker):
    made = run_as_planned(maker, "had")
    failed = made.record.model_copy(update={"status": "failed", "reason": "out\nof memory"})
    table = table_of(had_tables(RunCollection((), (StoredRun(failed, made.folder),))),
                     RESNET18)
    (command,) = cells_of(table)["HAD", "semantic miou"].commands
    assert command.endswith("--seed 0 --recipe paper_resnet18  # failed: out of memory")


# Holes.

def all_commands(embedded, extra=()):
    return {command for paper in paper_names()
            for table in paper_tables(published_cells(paper), NO_RUNS, embedded, extra=extra)
            for pairs in table.rows.values() for pair in pairs for command in pair.commands}


@pytest.mark.parametrize("embedded", [False, True])
def test_every_cell_is_measured_or_has_commands_or_a_reason(embedded):
    for paper in paper_names():
        tables = paper_tables(published_cells(paper), NO_RUNS, embedded)
        for table in tables:
            for pair in cells_of(table).values():
                assert bool(pair.commands) != bool(pair.here.reason)
                assert pair.here.mean is None and pair.difference is None
        assert "<td></td>" not in render_paper(tables, "html")


@pytest.mark.parametrize("embedded", [False, True])
def test_the_commands_of_holes_are_accepted(embedded, capsys):
    """Of all commands, those with a method, sequence, recipe or setting not yet tried."""
    seen: set[str] = set()
    for command in sorted(all_commands(embedded)):
        words = set(shlex.split(command))
        if words <= seen:
            continue
        seen |= words
        assert invoke([*shlex.split(command)[1:], "--dry-run"]) == 0, command
        planned = yaml.safe_load(capsys.readouterr().out)
        assert planned["sequence"] in command and planned["method"] in command


def test_running_the_commands_fills_the_embedded_tables(maker):
    """Records as the commands would leave them; nothing but reasons is left."""
    runs = []
    for command in all_commands(embedded=True):
        words = shlex.split(command)
        options = dict(zip(words[2::2], words[3::2], strict=True))
        if options["--sequence"] == "rooms_s1":
            settings = [options["--method-set"]] if "--method-set" in options else []
            runs.append(run_as_planned(maker, options["--method"], "rooms_s1", 0, "rooms",
                               method_settings=settings))
    tables = had_tables(RunCollection(tuple(runs)), True, ["rooms_s1"])
    assert len(tables) == 5
    for table in tables:
        assert table.embedded and table.place == "rooms_s1, recipe rooms"
        for (label, _), pair in cells_of(table).items():
            assert not pair.commands, label
            assert pair.difference is None
    assert cells_of(tables[0])["HAD", "all delta"].paper.number == 32.74
    assert "(another data set: rooms\\_s1, recipe rooms)" in render_paper(tables, "md")


def test_tuned_runs_stand_in_tables_of_their_own(maker, capsys):
    plan = make_plan(RunRequest("had", "rooms_s1", recipe="rooms", tuned=True))
    made = maker.run("had", 0, "rooms_s1", method_config=plan.config.method_config)
    record = made.record.model_copy(update={"config": plan.config.canonical()})
    runs = RunCollection((StoredRun(record, made.folder),))
    tuned, plain = (table_of(had_tables(runs, True, tuned=tuned), "had, stated: nyuv2")
                    for tuned in (True, False))
    assert cells_of(tuned)["HAD", "semantic miou"].here.n == 1
    (command,) = cells_of(plain)["HAD", "semantic miou"].commands
    assert "--tuned" not in command and "tuned" in tuned.place
    base = ["paper", "had", "--tuned", "--missing", "--no-published", "--runs", str(maker.folder)]
    assert invoke([*base, "--embedded"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(set(lines)) > 20 and all("--tuned" in line for line in lines)
    assert invoke([*base, "--embedded", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == lines
    assert invoke(base) == 2
    assert "leave --tuned out" in capsys.readouterr().err


def test_commands_say_where_data_and_records_lie():
    extra = ["--data-root", "/my data", "--runs", "elsewhere"]
    assert all(shlex.split(command)[-4:] == extra for command in all_commands(False, extra))


# What people and programs read.

def test_hostile_names_are_shown_as_they_are():
    hostile = "<script>alert(1)</script>\\end{document} & 50% $x_1$ | `b`"
    cells = [cell.model_copy(update={"method": hostile}) for cell in published_cells("had")
             if cell.table == "ablation" and cell.method == "HAD without SG"]
    tables = paper_tables(cells, NO_RUNS)
    html = render_paper(tables, "html")
    assert "<script>" not in html and "&lt;script&gt;" in html
    latex = render_paper(tables, "latex")
    assert r"\end{document}" not in latex and r"\textbackslash{}end\{document\}" in latex
    assert r"50\% \$x\_1\$" in latex
    markdown = render_paper(tables, "md")
    assert r"\|" in markdown and "<script>" not in markdown
    assert json.loads(render_paper(tables, "json"))[0]["cells"][0]["method"] == hostile


def test_the_command_prints_every_format(tmp_path: Path, capsys):
    base = ["paper", "had", "--runs", str(tmp_path), "--no-published"]
    for format, mark in (("rich", "had, lifelong"), ("md", "## had"), ("html", "<figure>"),
                         ("latex", r"\begin{table}"), ("csv", "table,place"), ("json", "[")):
        assert invoke([*base, "--format", format]) == 0
        assert mark in capsys.readouterr().out
    assert invoke([*base, "--json", "--sequences", "nyuv2_s2"]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert table["place"] == "nyuv2_s2, recipe paper_resnet18"


@pytest.mark.parametrize("words, message", [
    (["hadd"], "unknown paper 'hadd'. Did you mean had?"),
    (["had", "--sequences", "nyuv3_s1"], "Did you mean nyuv2_s1"),
    (["had", "--format", "htm"], "Did you mean html")])
def test_a_wrong_request_is_refused(words, message, tmp_path, capsys):
    assert invoke(["paper", *words, "--runs", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_mappings_name_what_keeps_every_difference_honest():
    def mapped(embedded):
        return {key: table for paper in paper_names()
                for key, table in load_mapping(paper, embedded).tables.items()}

    compared = {key: table for key, table in mapped(False).items()
                if isinstance(table, TableMapping) and not table.differs}
    assert all(table.assumed for table in compared.values())
    assert set(compared) == {("had", "lifelong", "nyuv2", "resnet18", ""),
                             ("had", "lifelong", "nyuv2", "resnet50", "")}
    assert all(isinstance(table, str) or (table.differs and table.sequence.startswith("rooms"))
               for table in mapped(True).values())

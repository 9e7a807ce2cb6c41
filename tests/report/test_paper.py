"""The papers' numbers as data, and their tables with measured numbers beside them."""

from __future__ import annotations

import csv
import io
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli.app import invoke
from benchmark.config.shipped import shipped
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from benchmark.record import Record
from benchmark.report.papers.paper import build
from benchmark.report.papers.paper_data import COLUMNS, PAPERS, published, read
from benchmark.report.papers.paper_places import EMBEDDED, METHODS, PLACES, Place
from benchmark.report.papers.paper_render import render
from benchmark.report.runs.collection import Collection, StoredRun, collect, only
from benchmark.report.runs.rescore import matrix_of

NOTHING = Collection(())
FILLED = ("finetune", "ewc", "lwf", "icarl", "der", "spg", "sgp", "had")
KNOWN = {  # paper, data set, backbone, variant, method, task and metric, as the sources print them
    "had nyuv2 resnet18 - HAD all delta": "32.74", "had nyuv2 resnet18 - LwF all delta": "24.74",
    "had nyuv2 resnet18 - joint all delta": "40.83", "had nyuv2 resnet50 - HAD all delta": "35.71",
    "had nyuv2 resnet50 - LwF all delta": "32.94", "had nyuv2 resnet50 - joint all delta": "44.36",
    "had taskonomy resnet18 - HAD all delta": "10.90",
    "had taskonomy resnet18 - HAD all rank": "3.50",
    "had taskonomy resnet18 - iCaRL all delta": "8.47",
    "had taskonomy resnet18 - joint all delta": "44.57",
    "had nyuv2 - - HAD semantic miou": "38.7", "had nyuv2 - - HAD normal mean": "32.55",
    "had nyuv2 - sequence 2 HAD depth abs": "0.7024", "had cityscapes - - HAD depth abs": "0.0186",
    "had cityscapes - another setting HAD depth abs": "0.0165",
    "had cityscapes - - HAD semantic miou": "76.52",
    "had cityscapes7 - - HAD semantic miou": "69.12", "had cityscapes - - HAD all delta": "5.89",
    "had taskonomy - - HAD depth abs": "0.211",
    "had taskonomy resnet18 - HAD all parameters_saved": "172.23",
    "had nyuv2 - - HAD semantic delta": "1.38", "had nyuv2 - - HAD depth delta": "5.2",
    "had nyuv2 - - HAD normal delta": "9.87", "had - - - HAD without SG all delta": "-1.27",
    "had - - - HAD without DB all delta": "-2.84",
    "had - - - HAD, arithmetic mean all delta": "-6.29", "had - - - HAD, 5 bins all delta": "-3.64",
    "had - - - HAD, 10 bins all delta": "-5.43", "had - - - HAD, 15 bins all delta": "-9.72",
    "heteroakd cityscapes DeepLabV3-MobileNetV2 teacher DeepLabV3-MiT-B4 student semantic miou":
        "73.92",
    "heteroakd cityscapes DeepLabV3-MobileNetV2 teacher DeepLabV3-MiT-B4 CWD semantic miou":
        "71.59",
    "heteroakd cityscapes DeepLabV3-MobileNetV2 teacher DeepLabV3-MiT-B4 HeteroAKD semantic miou":
        "74.91",
    "heteroakd - - largest of all pairs HeteroAKD semantic miou_gain": "3.37",
    "heteroakd - - homogeneous pairs, mean HeteroAKD semantic miou_gain": "1.61",
}


def name(cell):
    return " ".join([cell.paper, cell.dataset or "-", cell.backbone or "-", cell.variant or "-",
                     cell.method, cell.task, cell.metric])


def as_run(maker, method, sequence="nyuv2_s1", seed=0, recipe="paper_resnet18", settings=(),
           method_settings=()):
    """The record that `lhlbench run` with these options would leave, with made-up numbers."""
    request = RunRequest(method, sequence, seed, tuple(settings), tuple(method_settings), recipe)
    config = make_plan(request).config.canonical()
    made = maker.run(method, seed, sequence, method_config=config["method_config"])
    text = made.record.model_dump_json(by_alias=True).replace('"normals"', '"normal"')
    record = Record.model_validate(json.loads(text) | {"config": config})
    record.save(made.folder)
    return StoredRun(record, made.folder)


@pytest.fixture
def nyuv2(maker):
    """Every method of HAD's table with two seeds, SPG with one."""
    return Collection(tuple(as_run(maker, method, seed=seed) for seed in (0, 1)
                            for method in (*FILLED, "joint") if (method, seed) != ("spg", 1)))


def table_of(tables, title):
    return next(table for table in tables if table.title.startswith(title))


def cells_of(table):
    """(method, task and metric) -> pair."""
    return {(method, f"{column.task} {column.metric}"): pair for method, pairs in table.rows.items()
            for column, pair in zip(table.columns, pairs, strict=True)}


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


# The files.

def test_every_number_known_is_in_the_files_and_nothing_else():
    cells = [cell for paper in PAPERS for cell in published(paper)]
    told = {name(cell): cell.value for cell in cells
            if cell.value and (cell.method, cell.metric) != ("naive", "delta")}
    assert told == KNOWN
    assert all(cell.value == "0" for cell in cells
               if cell.value and name(cell) not in KNOWN)
    assert sum(cell.status == "unknown" for cell in cells) > len(KNOWN)


def test_the_page_on_papers_counts_what_the_files_hold():
    page = (Path(__file__).parents[2] / "docs/papers.md").read_text()
    for paper in PAPERS:
        for table in build(published(paper), NOTHING):
            cells = [pair.paper for pair in cells_of(table).values() if pair.paper]
            known = sum(cell.number is not None for cell in cells)
            assert f"\n{known:3} of {len(cells):3}  {table.title}\n" in page


def test_every_table_and_method_of_the_files_has_a_place():
    for paper in PAPERS:
        for cell in published(paper):
            assert cell.key in PLACES and cell.key in EMBEDDED
            assert cell.method in METHODS and (not cell.baseline or cell.baseline in METHODS)


def test_the_saved_parameters_follow_from_the_networks():
    """Ten separate ResNet-18 against one with ten heads of 257 parameters per output channel.

    The two decimals leave 15 to 27 channels for the ten tasks together.
    """
    stated = next(cell for cell in published("had") if cell.metric == "parameters_saved")
    assert stated.status == "derived"
    trunk, head = 11_176_512, 4_722_176

    def saved(channels):
        shared = trunk + 10 * head + 257 * channels
        separate = 10 * trunk + 10 * head + 257 * channels
        return f"{100 * (separate - shared) / shared:.2f}"

    assert [n for n in range(10, 200) if saved(n) == stated.value] == list(range(15, 28))


GOOD = ["had", "ablation", "", "", "", "HAD", "all", "delta", "%", "1.5", "true", "naive", "Tab. 1",
        "published"]


def written(path, *lines):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *lines])
    return path


def changed(**values):
    return [values.get(column, value) for column, value in zip(COLUMNS, GOOD, strict=True)]


@pytest.mark.parametrize("line, told", [
    (changed(value="1,5"), "line 2, column value"),
    (changed(value="nan"), "line 2, column value"),
    (changed(value="1e3"), "line 2, column value"),
    (changed(value=""), "line 2, column value: must be empty exactly when"),
    (changed(status="unknown"), "line 2, column value: must be empty exactly when"),
    (changed(status="guessed"), "line 2, column status"),
    (changed(higher_is_better="yes"), "line 2, column higher_is_better: must be true or false"),
    (changed(method=""), "line 2, column method"),
    (changed(method=" HAD"), "line 2, column method: must not begin or end with a blank"),
    (changed(source=""), "line 2, column source"),
    (changed(metric="Delta T"), "line 2, column metric"),
    (changed(paper="had2"), "line 2, column paper: must be had"),
    (GOOD[:-1], "line 2: 13 columns instead of 14"),
])
def test_a_wrong_line_is_refused_with_its_place(tmp_path, line, told):
    assert len(read(written(tmp_path / "had.csv", GOOD))) == 1
    with pytest.raises(RequestError, match=told):
        read(written(tmp_path / "had.csv", line))


def test_a_table_with_a_forgotten_or_a_double_line_is_refused(tmp_path):
    path = tmp_path / "had.csv"
    with pytest.raises(RequestError, match="line 3: the cell of line 2 again"):
        read(written(path, GOOD, changed(value="2.5")))
    rank = changed(metric="rank", unit="", baseline="")
    with pytest.raises(RequestError, match="line 3, column method: LwF has no line for all rank"):
        read(written(path, GOOD, rank, changed(method="LwF")))
    assert len(read(written(path, GOOD, rank, changed(method="LwF", table="other")))) == 3
    with pytest.raises(RequestError, match="line 1: the columns must be paper,table"):
        path.write_text("paper\n")
        read(path)
    with pytest.raises(RequestError, match="cannot be read"):
        read(tmp_path / "nothing.csv")


@given(st.data())
def test_a_damaged_file_is_refused_or_still_strict(tmp_path_factory, data):
    """Whatever is put into a file, it is read as valid cells or ends in one message."""
    text = (shipped("results/paper") / "heteroakd.csv").read_bytes()
    at = data.draw(st.integers(0, len(text)))
    path = tmp_path_factory.getbasetemp() / "heteroakd.csv"
    path.write_bytes(text[:at] + data.draw(st.binary(max_size=6)) + text[at:])
    try:
        cells = read(path)
    except RequestError as error:
        assert str(path) in str(error)
    else:
        assert all((cell.number is None) == (cell.status == "unknown") for cell in cells)


# Measured beside published.

def test_delta_stands_beside_the_papers_with_its_difference(nyuv2):
    cells = cells_of(table_of(build(published("had"), nyuv2), "had, lifelong: nyuv2, resnet18"))
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
    table = table_of(build(published("had"), nyuv2), "had, lifelong: nyuv2, resnet18")
    assert table.incomplete == (
        "lhlbench run --method spg --sequence nyuv2_s1 --recipe paper_resnet18 --seed 1",)
    assert table.incomplete[0] in render([table], "html")
    whole = Collection(tuple(found for found in nyuv2.complete if found.record.seed == 0))
    assert not build(published("had"), whole)[0].incomplete


def test_another_convention_scores_runs_again():
    """The published runs hold statistics."""
    runs = only(collect(Path("nowhere"), shipped("results/published")), ["recipe.lr=0.003"])
    pixel, batch = (cells_of(build(published("had"), runs, True, ["rooms_s1"], text)[0])
                    for text in ("pixel", "batch:64"))
    again = [matrix_of(found, "batch:64").final("depth", "abs") for found in runs.complete
             if found.record.method.name == "lwf"]
    assert batch["LwF", "depth abs"].here.mean == pytest.approx(float(np.mean(again)))
    assert batch["LwF", "depth abs"].here.mean != pixel["LwF", "depth abs"].here.mean
    with pytest.raises(RequestError, match="batch:64"):
        build(published("had"), runs, True, convention="batch")


def test_what_the_paper_does_not_tell_stays_unknown(nyuv2):
    tables = build(published("had"), nyuv2, sequences=["nyuv2_s1"])
    pair = cells_of(tables[0])["LwF", "semantic miou"]
    assert pair.here.mean is not None
    assert (pair.paper.status, pair.paper.number, pair.difference) == ("unknown", None, None)
    for format in ("md", "latex", "html"):
        lines = [line for line in render(tables[:1], format).splitlines()
                 if "LwF" in line and "published" in line]
        assert len(lines) == 1 and lines[0].count("unknown") == 4 and "24.74" in lines[0]
    told = json.loads(render(tables[:1], "json"))[0]["cells"]
    line = next(each for each in told if (each["method"], each["metric"]) == ("LwF", "miou"))
    assert (line["published"], line["status"]) == (None, "unknown") and line["mean"] > 0
    line = next(each for each in csv.DictReader(io.StringIO(render(tables[:1], "csv")))
                if (each["method"], each["metric"]) == ("LwF", "miou"))
    assert (line["published"], line["status"], line["difference"]) == ("", "unknown", "")


def test_ranks_need_every_method_at_the_same_seed(nyuv2):
    cells = cells_of(table_of(build(published("had"), nyuv2), "had, lifelong: nyuv2, resnet18"))
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
    less = Collection(tuple(found for found in nyuv2.complete
                            if found.record.method.name != "icarl"))
    cells = cells_of(table_of(build(published("had"), less), "had, lifelong: nyuv2, resnet18"))
    assert cells["HAD", "all rank"].here.mean is None
    assert cells["HAD", "all rank"].here.commands == (
        "lhlbench run --method icarl --sequence nyuv2_s1 --recipe paper_resnet18 --seed 0",)


@pytest.mark.parametrize("other", [
    {"method_settings": ["weight=6"]}, {"settings": ["recipe.epochs=5"]}, {"recipe": "released"},
    {"settings": ["dataset.size=[144,192]"]}, {"sequence": "nyuv2_s2"}])
def test_a_run_of_anything_else_fills_no_cell(maker, other):
    made = Collection((as_run(maker, "had", **other),))
    pair = cells_of(table_of(build(published("had"), made), "had, lifelong: nyuv2, resnet18"))[
        "HAD", "semantic miou"]
    assert pair.here.mean is None and pair.here.commands


def test_runs_of_other_data_are_not_mixed_in(maker):
    runs = [as_run(maker, "had", seed=seed) for seed in (0, 1, 2)]
    dataset = runs[2].record.dataset.model_copy(update={"fingerprint": "0" * 64})
    runs[2] = StoredRun(runs[2].record.model_copy(update={"dataset": dataset}), runs[2].folder)
    table = table_of(build(published("had"), Collection(tuple(runs))), "had, lifelong: nyuv2")
    assert cells_of(table)["HAD", "semantic miou"].here.n == 2
    assert any("1 runs of other data" in note for note in table.notes)


def test_a_metric_in_another_unit_is_not_put_beside_the_papers(maker):
    made = as_run(maker, "had")
    text = made.record.model_dump_json(by_alias=True)
    assert '"unit":"m"' in text
    other = Record.model_validate_json(text.replace('"unit":"m"', '"unit":"cm"'))
    table = table_of(build(published("had"), Collection((StoredRun(other, made.folder),))),
                     "had, lifelong: nyuv2, resnet18")
    cells = cells_of(table)
    assert cells["HAD", "depth abs"].here.reason == "depth abs is measured in cm here"
    assert cells["HAD", "semantic miou"].here.mean is not None


def test_an_ablation_is_told_by_its_settings(maker):
    runs = [as_run(maker, "had"), as_run(maker, "had", method_settings=["salient=false"])]
    table = table_of(build(published("had"), Collection(tuple(runs))), "had, ablation")
    cells = cells_of(table)
    assert cells["HAD without SG", "all delta"].here.mean == pytest.approx(
        relative(runs[1].record, runs[0].record))
    assert cells["HAD without SG", "all delta"].difference is None  # the data set is not stated
    assert cells["HAD, 10 bins", "all delta"].here.commands == (
        "lhlbench run --method had --sequence nyuv2_s1 --recipe paper_resnet18 --seed 0 "
        "--method-set group_bins=10",)


def test_a_failed_run_is_a_hole_that_says_why(maker):
    made = as_run(maker, "had")
    failed = made.record.model_copy(update={"status": "failed", "reason": "out\nof memory"})
    table = table_of(build(published("had"), Collection((), (StoredRun(failed, made.folder),))),
                     "had, lifelong: nyuv2, resnet18")
    (command,) = cells_of(table)["HAD", "semantic miou"].here.commands
    assert command.endswith("--seed 0  # failed: out of memory")


# Holes.

def all_commands(embedded, extra=()):
    return {command for paper in PAPERS
            for table in build(published(paper), NOTHING, embedded, extra=extra)
            for pairs in table.rows.values() for pair in pairs for command in pair.here.commands}


@pytest.mark.parametrize("embedded", [False, True])
def test_every_cell_is_measured_or_has_commands_or_a_reason(embedded):
    for paper in PAPERS:
        for table in build(published(paper), NOTHING, embedded):
            for pair in cells_of(table).values():
                assert bool(pair.here.commands) != bool(pair.here.reason)
                assert pair.here.mean is None and pair.difference is None
        assert "<td></td>" not in render(build(published(paper), NOTHING, embedded), "html")


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
        told = yaml.safe_load(capsys.readouterr().out)
        assert told["sequence"] in command and told["method"] in command


def test_running_the_commands_fills_the_embedded_tables(maker):
    """Records as the commands would leave them; nothing but reasons is left."""
    runs = []
    for command in all_commands(embedded=True):
        words = shlex.split(command)
        options = dict(zip(words[2::2], words[3::2], strict=True))
        if options["--sequence"] == "rooms_s1":
            settings = [options["--method-set"]] if "--method-set" in options else []
            runs.append(as_run(maker, options["--method"], "rooms_s1", 0, "rooms",
                               method_settings=settings))
    tables = build(published("had"), Collection(tuple(runs)), True, ["rooms_s1"])
    assert len(tables) == 5
    for table in tables:
        assert table.embedded and table.place == "rooms_s1, recipe rooms"
        for (label, _), pair in cells_of(table).items():
            assert not pair.here.commands, label
            assert pair.difference is None
    assert cells_of(tables[0])["HAD", "all delta"].paper.number == 32.74
    assert "(another data set: rooms\\_s1, recipe rooms)" in render(tables, "md")


def test_tuned_runs_stand_in_tables_of_their_own(maker, capsys):
    plan = make_plan(RunRequest("had", "rooms_s1", recipe="rooms", tuned=True))
    made = maker.run("had", 0, "rooms_s1", method_config=plan.config.method_config)
    record = made.record.model_copy(update={"config": plan.config.canonical()})
    runs = Collection((StoredRun(record, made.folder),))
    tuned, plain = (table_of(build(published("had"), runs, True, tuned=tuned), "had, stated: nyuv2")
                    for tuned in (True, False))
    assert cells_of(tuned)["HAD", "semantic miou"].here.n == 1
    (command,) = cells_of(plain)["HAD", "semantic miou"].here.commands
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
    cells = [cell.model_copy(update={"method": hostile}) for cell in published("had")
             if cell.table == "ablation" and cell.method == "HAD without SG"]
    tables = build(cells, NOTHING)
    html = render(tables, "html")
    assert "<script>" not in html and "&lt;script&gt;" in html
    latex = render(tables, "latex")
    assert r"\end{document}" not in latex and r"\textbackslash{}end\{document\}" in latex
    assert r"50\% \$x\_1\$" in latex
    markdown = render(tables, "md")
    assert r"\|" in markdown and "<script>" not in markdown
    assert json.loads(render(tables, "json"))[0]["cells"][0]["method"] == hostile


def test_the_command_prints_every_format(tmp_path: Path, capsys):
    base = ["paper", "had", "--runs", str(tmp_path), "--no-published"]
    for format, mark in (("rich", "had, lifelong"), ("md", "## had"), ("html", "<figure>"),
                         ("latex", r"\begin{table}"), ("csv", "table,place"), ("json", "[")):
        assert invoke([*base, "--format", format]) == 0
        assert mark in capsys.readouterr().out
    assert invoke([*base, "--json", "--sequences", "nyuv2_s2"]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert table["place"] == "nyuv2_s2, recipe paper_resnet18"


@pytest.mark.parametrize("words, told", [
    (["hadd"], "unknown paper 'hadd'. Did you mean had?"),
    (["had", "--sequences", "nyuv3_s1"], "Did you mean nyuv2_s1"),
    (["had", "--format", "htm"], "Did you mean html")])
def test_a_wrong_request_is_told(words, told, tmp_path, capsys):
    assert invoke(["paper", *words, "--runs", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err


def test_places_name_recipes_and_settings_that_keep_every_difference_honest():
    compared = {key for key, place in PLACES.items()
                if isinstance(place, Place) and not place.differs}
    assert all(PLACES[key].assumed for key in compared)
    assert compared == {("had", "lifelong", "nyuv2", "resnet18", ""),
                        ("had", "lifelong", "nyuv2", "resnet50", "")}
    assert all(isinstance(place, str) or (place.differs and place.sequence.startswith("rooms"))
               for place in EMBEDDED.values())

"""Records of others: one that cannot be used breaks nothing, and what they say is only text."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil

import pytest

from benchmark.cli.app import invoke
from benchmark.errors import RequestError
from benchmark.record import load_record
from benchmark.report.runs.collection import collect
from benchmark.report.site.write import write_site
from tests.helpers.site_pages import pages


def put(dotted, value):
    def change(content):
        *parents, last = dotted.split(".")
        for key in parents:
            content = content[int(key)] if isinstance(content, list) else content[key]
        content[int(last) if isinstance(content, list) else last] = value
    return change


def rename_task(content):
    content["tasks"][1]["name"] = "depth/x"
    content["matrix"]["depth/x"] = content["matrix"].pop("depth")


def same_task_twice(content):
    content["tasks"][2] = content["tasks"][1]


UNUSABLE = {
    "a task with a slash": (rename_task, "holds a /"),
    "a task twice": (same_task_twice, "different tasks"),
    "nothing but what was added": (put("cost.parameters_added", 10 ** 7), "none is left for"),
    "400 digits of bytes": (put("phases.0.peak_memory_bytes", 10 ** 400), "more than 300 digits"),
    "2^63 of bytes": (put("cost.carried_bytes", 2 ** 63), "beyond 64 bits"),
    "a number of 5,000 digits": (put("sequence", "rooms_s" + "9" * 5000), "at most 200"),
    "1e308": (put("matrix.depth.abs.2", 1e308), "matrix.depth.abs.2 is 1e+308"),
    "surrogates": (put("method.name", "\ud800"), "no Unicode"),
    "a recipe that is a list": (put("config.recipe", [1]), "config.recipe is missing"),
    "a newer schema": (put("schema", 2), "written by a newer lhlbench"),
    "no task": (put("tasks", []), "different tasks")}


def edited(folder, change):
    file = folder / "record.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_record_no_run_leaves_is_refused_in_one_line(maker, name):
    change, message = UNUSABLE[name]
    folder = maker.run("had").folder
    edited(folder, change)
    with pytest.raises(RequestError) as error:
        load_record(folder)
    assert message in str(error.value)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


@pytest.fixture
def spoilt(maker):
    """Two methods, and beside them every record of `UNUSABLE`, a pipe and a circle of links."""
    for method in ("finetune", "lwf"):
        for seed in (0, 1):
            maker.run(method, seed)
    for seed, (change, _) in enumerate(UNUSABLE.values(), start=10):
        edited(maker.run("had", seed).folder, change)
    for name in ("pipe", "circle", "folder"):
        (maker.folder / name).mkdir()
    os.mkfifo(maker.folder / "pipe" / "record.json")
    (maker.folder / "circle" / "record.json").symlink_to("record.json")
    (maker.folder / "folder" / "record.json").mkdir()
    return maker.folder


@pytest.mark.parametrize("words", [
    ["ls", "runs"], ["table"], ["table", "--orders"], ["table", "--tidy"], ["compare", "lwf",
    "finetune"], ["plot", "matrix", "--to", "plots"], ["report", "--to", "site"],
    ["paper", "had", "--embedded", "--sequences", "none_*"]], ids=" ".join)
def test_all_other_runs_are_shown(spoilt, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke([*words, "--runs", str(spoilt), "--no-published"]) == 0 or words[0] == "paper"
    printed = capsys.readouterr()
    warnings = [line for line in printed.err.splitlines() if line.startswith("left out: ")]
    assert len(warnings) == len(set(warnings)) == len(UNUSABLE) + 2
    for _, message in UNUSABLE.values():
        assert any(message in warning for warning in warnings), message
    assert "Traceback" not in printed.err


def test_an_edited_copy_does_not_take_the_place_of_a_run(maker):
    run = maker.run("had")
    own = maker.folder / "x" / run.folder.name
    run.folder.rename(maker.folder / "a")
    shutil.copytree(maker.folder / "a", own)
    edited(maker.folder / "a", put("matrix.depth.abs.2", 0.001))
    found = collect(maker.folder)
    assert [each.folder for each in found.complete] == [own]
    assert [str(maker.folder / "a" / "record.json") in each for each in found.warnings] == [True]


EVIL = "[/red][bold]\x1b[2J\x1b]0;x\x07\u202e'\"><script>alert(1)</script>\nline & \\input{x} $y$"


@pytest.fixture
def evil(maker):
    """Runs whose method, unit, reason, device and settings hold what terminals would obey."""
    for method in ("finetune", EVIL):
        maker.run(method, method_config={"text": EVIL})
    folder = maker.run("lwf", failed=EVIL).folder
    for run in (*maker.made,):
        edited(run.folder, put("environment.device_name", EVIL))
        edited(run.folder, put("tasks.1.metrics.0.unit", EVIL))
    assert load_record(folder).reason == EVIL
    return maker.folder


@pytest.mark.parametrize("words", [
    ["ls", "runs"], ["table"], ["table", "--format", "md"], ["table", "--format", "csv"],
    ["table", "--format", "latex"], ["table", "--format", "html"], ["table", "--format", "json"],
    ["table", "--tidy", "--format", "csv"], ["table", "--tidy", "--format", "json"],
    ["compare", "finetune", "*", "--metric", "depth/abs"], ["validate"],
    ["show"]], ids=" ".join)
def test_nothing_in_a_record_steers_a_terminal(evil, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    last = ([str(evil)] if words[0] == "validate" else
            [str(sorted(evil.iterdir())[-1]), "--no-published"] if words[0] == "show"
            else ["--runs", str(evil), "--no-published"])
    assert invoke([*words, *last]) == (2 if words[0] == "validate" else 0)
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert all(character.isprintable() or character == "\n" for character in text)
    if "html" in words:
        assert "<script" not in printed.out
    if "latex" in words:
        shown = [line for line in printed.out.splitlines() if not line.startswith("%")]
        assert not any(r"\input" in line or "$y$" in line for line in shown)


def test_pages_hold_what_records_say_as_text(evil, tmp_path):
    write_site(collect(evil), tmp_path / "site")
    for markup in pages(tmp_path / "site").values():
        assert not [tag for tag, attributes in markup.found
                    if tag == "script" and "src" not in attributes]
        for _, attributes in markup.found:
            assert not any(name.startswith("on") for name in attributes)
            link = attributes.get("href") or attributes.get("src") or ""
            assert ":" not in link and not link.startswith("//")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+2", "@SUM(A1)", " =1", "\t=1",
                                  "=cmd|'/c x'!A1"])
def test_a_spreadsheet_computes_nothing(text, maker, capsys):
    maker.run("finetune")
    maker.run(text, method_config={text: text})
    for words in (["table", "--format", "csv"], ["table", "--tidy", "--format", "csv",
                                                 "--columns", f"method_config.{text}"]):
        assert invoke([*words, "--runs", str(maker.folder), "--no-published"]) == 0
        rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
        assert any(text.strip() in cell for row in rows for cell in row)
        numbers = 0
        for cell in (cell for row in rows for cell in row):
            if cell.lstrip()[:1] in ("=", "+", "@", "-"):
                float(cell)
                numbers += 1
        assert numbers or "--tidy" in words


def test_pictures_that_lie_elsewhere_are_not_copied(maker, tmp_path):
    run = maker.run("had")
    (run.folder / "previews").mkdir()
    from PIL import Image
    Image.new("RGB", (8, 8)).save(tmp_path / "private.png")
    (run.folder / "previews" / "depth.png").symlink_to(tmp_path / "private.png")
    os.mkfifo(run.folder / "previews" / "normals.png")
    write_site(maker.collection(), tmp_path / "site")
    assert not list((tmp_path / "site").rglob("*.png"))


def test_missing_runs_come_with_the_settings_of_those_that_are_there(maker, capsys):
    command = "lhlbench run --method {} --sequence rooms_s1 --seed {} --set recipe.lr=0.5"
    for method, seeds in (("finetune", (0, 1)), ("had", (0,))):
        for seed in seeds:
            maker.run(method, seed, lr=0.5,
                      command=command.format(method, seed) + " --method-set weight=1.0")
    assert invoke(["table", "--runs", str(maker.folder), "--no-published", "--format", "md"]) == 0
    assert (f"{command.format('had', 1)} --method-set weight=1.0\n") in capsys.readouterr().out


def test_reading_records_runs_no_code_they_name(maker, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    trap = tmp_path / "trap.py"
    trap.write_text("open('sprung', 'w').write('x')\n")
    for method in ("finetune", "trap"):
        run = maker.run(method, plug_in="a" * 64, command=f"lhlbench run --method {trap} "
                        f"--sequence {tmp_path / 'trap.yaml'}")
        edited(run.folder, put("config.task_kinds", {"trap": "b" * 64}))
        edited(run.folder, put("config.dataset", {"name": "folder", "root": str(tmp_path)}))
        edited(run.folder, put("tasks.1.kind", str(trap)))
    (tmp_path / "trap.yaml").write_text("task_kinds: [trap.py]\n")
    here = ["--runs", str(maker.folder), "--no-published"]
    for words in (["ls", "runs", *here], ["table", *here], ["report", *here, "--to", "site"],
                  ["validate", str(maker.folder)],
                  ["show", str(run.folder)], ["submit", str(maker.folder)],
                  ["compare", "trap", "finetune", *here]):
        assert invoke(words) in (0, 2), words
    assert not (tmp_path / "sprung").exists()

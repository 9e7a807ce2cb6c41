"""Handing records in: what is packed, what is refused, and what a ranked row still lacks."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from benchmark.cli import submit
from benchmark.cli.app import invoke
from benchmark.config.shipped import shipped
from benchmark.record import load_record, load_statistics
from benchmark.report.submission.pack import portable
from benchmark.report.submission.validation import first_problem

UNTUNED = [folder for folder in sorted((shipped("results/published") / "rooms_s1").iterdir())
           if load_record(folder).config["recipe"]["lr"] == 0.003]


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of runs to hand in, while nothing is published but what a test puts there."""
    class Site:
        runs, published, to = tmp_path / "runs", tmp_path / "published", tmp_path / "out"

        def add(self, pattern: str, published: bool = False) -> list[Path]:
            folder = self.published if published else self.runs
            return [Path(shutil.copytree(each, folder / each.name))
                    for each in UNTUNED if each.match(pattern)]

        def submit(self, *words) -> int:
            return invoke(["submit", str(self.runs), "--to", str(self.to), *map(str, words)])

    monkeypatch.setattr(submit, "shipped", lambda name: tmp_path / "published")
    return Site()


def change(folder: Path, **fields) -> None:
    file = folder / "record.json"
    content = json.loads(file.read_text())
    for dotted, value in fields.items():
        *parents, last = dotted.split("__")
        place = content
        for key in parents:
            place = place[key]
        place[last] = value
    file.write_text(json.dumps(content))


def test_packed_runs_are_as_results_published_holds_them(site):
    folders = site.add("lwf-*")
    (folders[0] / "boundary.safetensors").write_bytes(b"weights")
    assert site.submit() == 0
    for folder in folders:
        packed = site.to / "results/published/rooms_s1" / folder.name
        assert sorted(file.name for file in packed.iterdir()) == [
            "config.yaml", "record.json", "statistics.npz"]
        assert first_problem(packed) is None
        one, other = load_record(folder), load_record(packed)
        assert one.model_copy(update={"environment": {}}) == other.model_copy(
            update={"environment": {}})
        ours, theirs = load_statistics(folder), load_statistics(packed)
        assert set(ours) == set(theirs)
        assert all((ours[key][name] == theirs[key][name]).all()
                   for key in ours for name in ours[key])
    assert len(list(site.to.rglob("*.json"))) == len(folders) == 3


def test_the_same_records_give_the_same_bytes(site, tmp_path):
    site.add("ewc-*seed[01]-*")
    for name in ("a.zip", "b.zip"):
        site.to = tmp_path / name
        assert site.submit() == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    site.to = tmp_path / "folder"
    assert site.submit() == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert names == sorted(names)
        for name in names:
            assert archive.read(name) == (site.to / name).read_bytes()


def test_nothing_reveals_the_machine_s_folders(site, capsys):
    folder, *_ = site.add("lwf-*")
    command = ("/home/zoe/venv/bin/lhlbench run --method lwf --sequence=/home/zoe/x/rooms.yaml:s1 "
               "--runs /home/zoe/runs --data-root=/data/zoe --seed 0 --overwrite")
    change(folder, environment__command=command, environment__user="zoe",
           environment__cwd="/home/zoe")
    assert site.submit() == 0
    packed = site.to / "results/published/rooms_s1" / folder.name
    assert "zoe" not in (packed / "record.json").read_text()
    assert load_record(packed).environment["command"] == (
        "lhlbench run --method lwf --sequence rooms.yaml:s1 --seed 0")
    for text in ("/home/zoe/cards", "C:\\\\Users\\\\zoe", "~/cards/new"):
        change(folder, environment__device_name=text)
        site.to = site.to.with_name(f"{site.to.name}x")
        assert site.submit() == 2
        assert "environment.device_name holds the path" in capsys.readouterr().err
        assert not site.to.exists()


@pytest.mark.parametrize(("command", "portable_command"), [
    ("lhlbench run --method a/b.py --sequence rooms_s1 --seed 1",
     "lhlbench run --method b.py --sequence rooms_s1 --seed 1"),
    ("lhlbench run --runs x --json --method had --sequence rooms_s1 --set recipe.lr=0.1",
     "lhlbench run --method had --sequence rooms_s1 --seed 0 --set recipe.lr=0.1"),
    ("lhlbench run 'unfinished", ""), ("", "")])
def test_commands_are_handed_in_without_folders(command, portable_command):
    record = load_record(UNTUNED[0])
    record = record.model_copy(update={"environment": record.environment | {"command": command}})
    assert portable(record).environment["command"] == portable_command


def test_invalid_records_are_refused_and_nothing_is_left(site, capsys, tmp_path):
    _, second, _ = site.add("lwf-*")
    change(second, seed=7)
    before = sorted(tmp_path.rglob("*"))
    assert site.submit() == 2
    err = capsys.readouterr().err
    assert f"{second}: config.seed is 1, the record's head says 7; nothing was packed" in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sequence_cannot_lead_out_of_the_folder(site, capsys):
    folder, *_ = site.add("lwf-*")
    change(folder, sequence="..", config__sequence="..")
    assert site.submit() == 2
    assert "sequence is '..', not a name such as rooms_s1" in capsys.readouterr().err
    assert not site.to.exists()


def test_what_is_there_is_not_touched(site, capsys):
    site.add("lwf-*")
    site.to.mkdir()
    (site.to / "mine.txt").write_text("mine")
    assert site.submit() == 2
    assert "exists; --to another place" in capsys.readouterr().err
    assert [file.name for file in site.to.iterdir()] == ["mine.txt"]


def test_failed_and_published_runs_are_left_out(site, capsys):
    first, *_ = site.add("lwf-*")
    change(first, status="failed", reason="no luck")
    (second,) = site.add("lwf-*seed1-*", published=True)
    assert site.submit("--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["left_out"] == {
        first.name: "failed: no luck",
        second.name: "is published already, or stands twice in what was named"}
    assert {file.split("/")[3].split("-")[2] for file in printed["files"]} == {"seed2"}


def test_missing_orders_seeds_and_baselines_come_with_commands(site, capsys):
    site.add("lwf-*seed0-*")
    site.add("lwf-*seed1-*", published=True)
    site.add("finetune-*seed0-*", published=True)
    assert site.submit("--json") == 0
    printed = json.loads(capsys.readouterr().out)
    (row,) = printed["rows"]
    assert (row["method"], row["wanted"], row["complete"]) == ("lwf", 18, False)
    cells = {(f"rooms_s{order}", seed) for order in range(1, 7) for seed in range(3)}
    missing = {(each["sequence"], each["seed"]): each["command"] for each in row["missing"]}
    assert set(missing) == cells - {("rooms_s1", 0), ("rooms_s1", 1)}
    assert missing["rooms_s3", 2] == "lhlbench run --method lwf --sequence rooms_s3 --seed 2"
    baseline = {(each["sequence"], each["seed"]): each["command"]
                for each in row["missing_baseline"]}
    assert set(baseline) == cells - {("rooms_s1", 0)}
    assert baseline["rooms_s1", 1] == "lhlbench run --method finetune --sequence rooms_s1 --seed 1"
    assert printed["remarks"] == []


def test_missing_runs_keep_the_recipe_and_the_settings(site, tiny, capsys):
    outcome = tiny("ewc", settings=["recipe.epochs=1"], method_settings=["weight=3"],
                   runs=site.runs, command="lhlbench run --method ewc --sequence rooms_s1 "
                   "--set recipe.epochs=1 --method-set weight=3 --seed 0 --runs /tmp/x")
    assert first_problem(outcome.folder) is None
    assert site.submit() == 0
    out = capsys.readouterr().out
    assert ("lhlbench run --method ewc --sequence rooms_s1 --seed 1 --set recipe.epochs=1 "
            "--method-set weight=3\n") in out
    assert ("lhlbench run --method finetune --sequence rooms_s1 --seed 0 "
            "--set recipe.epochs=1\n") in out
    assert "and 13 more; --json lists them" in out


def test_configurations_and_data_that_do_not_fit_together_are_remarked_on(site, capsys):
    site.add("had-*seed0-*")
    assert site.submit("--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert len(printed["rows"]) == 3
    (remark,) = printed["remarks"]
    assert remark == ("rooms: had has 3 configurations, each a row of its own: had; "
                      "had (floor=1e-05); had (salience_threshold=0.5)")


def test_a_plug_in_has_to_come_with_its_file(site, tiny, tmp_path, capsys):
    method = tmp_path / "mine.py"
    method.write_text("from benchmark.method import Method\n\n\nclass Mine(Method):\n"
                      "    name = 'mine'\n    summary = 'x'\n    family = 'test'\n\n"
                      "    def loss(self, step):\n        return step.new_losses()\n")
    tiny(str(method), settings=["recipe.epochs=1"], runs=site.runs)
    assert site.submit() == 0
    assert "hand its file in as methods/mine.py" in capsys.readouterr().out


def test_there_must_be_something_to_hand_in(site, capsys):
    site.add("lwf-*")
    site.add("lwf-*", published=True)
    assert site.submit() == 2
    assert "no finished run that is not published yet" in capsys.readouterr().err
    assert not site.to.exists()

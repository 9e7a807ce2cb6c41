"""`lhlbench rm` and `ls runs`: runs that are complete, failed, interrupted or under way."""

from __future__ import annotations

import json

import pytest
from filelock import FileLock

from benchmark.cli.app import invoke
from benchmark.engine.options import Stopped
from benchmark.errors import RunError
from benchmark.record import RECORD_FILE
from tests.helpers.plug_ins import plug_in


def listed(runs, capsys):
    assert invoke(["ls", "runs", "--runs", str(runs), "--no-published", "--json"]) == 0
    return {row["method"]: row for row in json.loads(capsys.readouterr().out)}


@pytest.fixture
def runs(tiny, tmp_path):
    """A complete, a failed and an interrupted run of one epoch per phase."""
    brief = ("recipe.epochs=1",)
    tiny("finetune", settings=brief)
    with pytest.raises(RunError):
        tiny(plug_in(tmp_path, "step.features.sum() * float('nan')"), settings=brief)
    with pytest.raises(Stopped):
        tiny("ewc", settings=brief, stop_when=lambda phase, epoch: (phase, epoch) == (2, 0))
    return tmp_path / "runs"


def test_runs_are_listed_with_why_they_have_no_result(runs, capsys):
    found = listed(runs, capsys)
    assert {name: row["status"] for name, row in found.items()} == {
        "finetune": "complete", "broken": "failed", "ewc": "interrupted"}
    assert found["broken"]["reason"].startswith("loss is nan in phase 2")
    assert found["ewc"]["reason"].startswith("interrupted or killed after phase 2, epoch 1; ")
    assert (found["ewc"]["sequence"], found["ewc"]["seed"]) == ("rooms_s1", 0)
    with FileLock(runs / found["ewc"]["run"] / ".lock"):
        assert listed(runs, capsys)["ewc"]["status"] == "running"
        assert invoke(["rm", "ewc", "--runs", str(runs), "--yes"]) == 2
    assert "is being run by another process" in capsys.readouterr().err


def test_runs_are_removed_after_asking(runs, tmp_path, capsys, monkeypatch):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (ewc,) = runs.glob("ewc*")
    (ewc / "link").symlink_to(outside)
    (runs / "linked").symlink_to(outside)
    (outside / "config.yaml").touch()
    (runs / "mine").mkdir()
    for name, message in (("linked", "unknown run"), ("mine", "unknown run"), ("..", "unknown run"),
                          ("", "unknown run"), ("had-rooms_s1", "is a published run")):
        assert invoke(["rm", name, "--runs", str(runs), "--yes"]) == 2
        assert message in capsys.readouterr().err
    monkeypatch.setattr("typer.confirm", lambda question: False)
    assert invoke(["rm", "ewc", "--runs", str(runs)]) == 0
    assert ewc.exists()
    assert invoke(["rm", "ewc", "bro", "ewc-rooms_s1", "--runs", str(runs), "--yes"]) == 0
    assert "2 runs removed" in capsys.readouterr().out
    assert sorted(file.name.split("-")[0] for file in runs.iterdir()) == [
        "finetune", "linked", "mine"]
    assert (outside / "kept").exists()


def test_a_beginning_that_several_runs_share_is_not_enough(tmp_path, capsys):
    for name in ("ewc-a", "ewc-b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / RECORD_FILE).touch()
    assert invoke(["rm", "ewc", "--runs", str(tmp_path), "--yes"]) == 2
    assert "2 runs begin with 'ewc'" in capsys.readouterr().err
    assert invoke(["rm", "ewc-a", "--runs", str(tmp_path), "--yes"]) == 0
    assert [folder.name for folder in tmp_path.iterdir()] == ["ewc-b"]

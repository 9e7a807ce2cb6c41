"""`lhlbench speed` on tiny images: what it measures, of which methods, and what it refuses."""

from __future__ import annotations

import csv
import io
import json

import pytest
import torch

from benchmark.cli.app import invoke
from benchmark.data.sources.source import DataPaths
from benchmark.engine.environment import make_fabric
from benchmark.engine.options import Options
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.registry import find_method, method_names
from benchmark.speed.machine import convolution_rates, extra_bytes, operations_of
from benchmark.speed.measure import measure_speed
from benchmark.speed.stopwatch import PARTS, STEP_PATH, Stopwatch
from tests.helpers.tiny import TINY

SMALL = [word for setting in (*TINY, "recipe.head_channels=8") for word in ("--set", setting)]


def speed(*words):
    return invoke(["speed", *SMALL, "--device", "cpu", *words])


def test_speed_of_two_methods(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = ["--methods", "lwf", "--old-tasks", "0,2", "--steps", "3"]
    assert speed(*asked, "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["method"], each["old_tasks"]) for each in found["steps"]] == [
        ("finetune", 0), ("lwf", 0), ("finetune", 2), ("lwf", 2)]
    for each in found["steps"]:
        assert len(each["seconds"]) == len(each["reference_seconds"]) == 3
        assert each["images"] == 4
        assert set(each["parts"]) == set(PARTS)
        assert all(len(repetitions) == 3 for repetitions in each["parts"].values())
        assert all(min(each["parts"][part]) > 0 for part in ("data", "forward", "backward"))
        assert each["quartiles"][0] <= each["median_seconds"] <= each["quartiles"][1]
        assert each["peak_bytes"] > 0
        assert each["share_of_convolution_rate"] > 0
    finetune, *_, distilling = found["steps"]
    assert finetune["ratio"] == 1
    assert distilling["operations"] > finetune["operations"]
    assert found["machine"]["precision"] == "fp32"
    assert found["machine"]["threads"] == torch.get_num_threads()
    assert found["machine"]["versions"]["torch"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["rich", "md", "csv"])
def test_formats(format, tmp_path, capsys):
    words = ["--methods", "finetune", "--old-tasks", "0", "--steps", "1", "--format", format]
    if format == "csv":
        assert speed(*words, "--to", str(tmp_path / "speed.csv")) == 0
        (row,) = csv.DictReader(io.StringIO((tmp_path / "speed.csv").read_text()))
        assert float(row["x finetune"]) == 1
        assert row["old tasks"] == "0"
    else:
        assert speed(*words) == 0
        assert "finetune" in capsys.readouterr().out


def test_every_family_of_methods_can_be_measured(cache):
    settings = (*TINY, "dataset.train=12", "recipe.head_channels=8")
    families = {find_method(name).family: name for name in method_names()}
    names = {*families.values(), "finetune", "joint"}
    plans = [make_plan(RunRequest(name, "rooms_s3", settings=settings)) for name in sorted(names)]
    report = measure_speed(plans, Options(runs=cache, data_paths=DataPaths(cache), device="cpu"),
                           [0, 1], steps=1)
    measured = {(step.method, step.old_tasks) for step in report.steps}
    several = {name for name in names if find_method(name).kind == "lifelong"}
    assert {(name, 0) for name in names} | {(name, 1) for name in several} <= measured
    assert all(step.median > 0 and step.operations > 0 and step.peak_bytes > 0
               for step in report.steps)
    assert any(note.startswith("joint ") for note in report.notes)


@pytest.mark.parametrize("words", [
    ["--methods", "hat"], ["--methods", "had,"], ["--sequence", "rooms_s9"],
    ["--sequence", "rooms_s1,rooms_s2"], ["--old-tasks", "3"], ["--old-tasks", "one"],
    ["--steps", "0"], ["--format", "latex"], ["--to", "speed.txt"], ["--device", "tpu"],
    ["--set", "recipe.epoch=3"], ["--data-root", "nowhere"]])
def test_wrong_requests(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert speed(*words) == 2
    out, err = capsys.readouterr()
    assert not out
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_each_moment_counts_for_one_part():
    watch = Stopwatch(torch.device("cpu"))
    with watch.part("outer"), watch.part("inner"):
        values = torch.rand(300, 300)
        for _ in range(20):
            values = values @ values
    assert watch.seconds["inner"] > 10 * watch.seconds["outer"]


def test_nothing_stays_replaced():
    before = [getattr(owner, name) for owner, name, _ in STEP_PATH]
    with Stopwatch(torch.device("cpu")).on(STEP_PATH):
        assert all(getattr(owner, name) is not function for (owner, name, _), function
                   in zip(STEP_PATH, before, strict=True))
    assert [getattr(owner, name) for owner, name, _ in STEP_PATH] == before


def test_operations_and_memory():
    cpu = torch.device("cpu")
    left, right = torch.rand(64, 32), torch.rand(32, 16)
    assert operations_of(lambda: left @ right) == 2 * 64 * 32 * 16

    def work():
        first = torch.zeros(1 << 20)
        del first
        torch.zeros(1 << 19)

    assert 4 << 20 <= extra_bytes(cpu, work) < 5 << 20
    rates = convolution_rates(make_fabric("cpu", "fp32"), repetitions=2)
    assert len(rates) == 2
    assert min(rates) > 0

"""Predictions that are infinite or NaN: the metrics they leave undefined, and who is told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cli.app import invoke
from benchmark.record import Record, load_record, load_statistics, save_statistics
from benchmark.report.submission.validation import first_problem
from benchmark.tasks import Task
from benchmark.tasks.losses import evaluated, kind_of
from benchmark.tasks.metric_values import check, metrics_of, values_of
from benchmark.tasks.registry import register_kind
from tests.helpers.make_moving import FLOW_KIND, make_moving
from tests.helpers.tiny import TINY

TASKS = {"semantic": {"kind": "segmentation", "channels": 5},
         "depth": {"kind": "regression", "channels": 1, "encoding": "depth"},
         "normal": {"kind": "direction", "channels": 3},
         "edge": {"kind": "binary", "channels": 1},
         "flow": {"kind": "flow", "channels": 2}}
METHOD = """
import torch
from benchmark.method import Method

class Spoilt(Method):
    name, summary, family = "spoilt", "not finite for one task", "test"

    def predict(self, network, images, tasks):
        raws = super().predict(network, images, tasks)
        if len(tasks) > 1:
            raws[tasks[1].name][-1, 0, 10:, 12] = {value}
        return raws
"""


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task of every kind that comes along, and of one from outside."""
    monkeypatch.setattr("benchmark.plug_ins._from_families", {})
    register_kind(FLOW_KIND)
    return Task(name=request.param, **TASKS[request.param])


def batch(task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    """Random raw outputs and targets of three images; the first two columns are invalid."""
    kind, generator = kind_of(task), torch.Generator().manual_seed(0)
    raw, other = torch.randn(2, 3, task.channels, 6, 8, generator=generator)
    target = kind.pseudo_label(other)
    target = target.abs() + 0.5 if task.kind == "regression" else target.clone()
    target[..., :2] = kind.invalid
    return raw, target


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_such_pixel_leaves_every_metric_undefined(task: Task, value: float) -> None:
    raw, target = batch(task)
    raw[1, 0, 3, 4] = value
    found = {name: each.numpy() for name, each in evaluated(kind_of(task), raw, target).items()}
    check(task, found)
    assert found["not_finite"].tolist() == [0, 1, 0]
    for convention in ("pixel", "image", "batch:2"):
        values = values_of(task, found, convention)
        assert set(values) == {metric.name for metric in metrics_of(task)}
        assert all(map(math.isnan, values.values())), convention


def test_at_an_invalid_pixel_it_does_not_matter(task: Task) -> None:
    raw, target = batch(task)
    spoilt = raw.clone()
    spoilt[:, :, 2:4, :2] = math.nan
    expected, found = (evaluated(kind_of(task), each, target) for each in (raw, spoilt))
    for name, each in expected.items():
        assert torch.equal(found[name], each), name
    for name, each in kind_of(task).statistics(raw, target).items():
        assert torch.equal(expected[name], each), name


def spoilt(folder: Path, value: str) -> str:
    path = folder / "spoilt.py"
    path.write_text(METHOD.replace("{value}", value))
    return str(path)


def run(folder: Path, sequence: str, value: str, *settings: str) -> tuple[Path, Record]:
    """The record of a run whose second task has such predictions after every phase."""
    words = [word for each in settings for word in ("--set", each)]
    assert invoke(["run", "--method", spoilt(folder, value), "--sequence", sequence, "--device",
                   "cpu", "--runs", str(folder / "runs"), *words]) == 0
    (made,) = (folder / "runs").iterdir()
    return made, load_record(made)


def test_a_run_warns_and_its_record_survives_validation(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, record = run(tmp_path, "rooms_s1", "float('nan')", *TINY, "recipe.epochs=1")
    printed = capsys.readouterr()
    second = record.tasks[1].name
    lines = [line for line in printed.err.splitlines() if "warning" in line]
    assert [line.split(": ")[2] for line in lines] == [
        f"{second} after phase {phase}" for phase in (2, 3)]
    assert record.status == "complete"
    assert record.reason.endswith(f": {second} after phase 2, {second} after phase 3")
    assert invoke(["show", str(folder)]) == 0
    assert record.reason in " ".join(capsys.readouterr().out.split())
    for task in record.tasks:
        for values in record.matrix[task.name].values():
            assert (values[-1] is None) == (task.name == second)
    assert first_problem(folder) is None
    assert invoke(["table", "--runs", str(tmp_path / "runs"), "--no-published"]) == 0
    table = " ".join(capsys.readouterr().out.split())
    assert record.reason in table
    assert f"{second} abs is undefined after phase 2, where predictions are not finite" in table
    statistics = load_statistics(folder)
    assert {key for key, each in statistics.items() if "not_finite" in each} == {
        (2, second), (3, second)}
    for key in statistics:
        statistics[key].pop("not_finite", None)
    save_statistics(folder, statistics)
    assert "reason is" in str(first_problem(folder))


def test_a_finite_run_has_no_such_statistic(tmp_path: Path) -> None:
    folder, record = run(tmp_path, "rooms_s1", "1e30", *TINY, "recipe.epochs=1")
    assert record.reason == ""
    assert not any("not_finite" in each for each in load_statistics(folder).values())
    assert first_problem(folder) is None


def test_an_outside_kind_needs_to_do_nothing(tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    family = make_moving(tmp_path, order=("parts", "flow", "depth"))
    monkeypatch.setenv("LHLBENCH_CACHE", str(tmp_path / "cache"))
    folder, record = run(tmp_path, str(family), "-float('inf')", "recipe.epochs=1")
    content = json.loads((folder / "record.json").read_text())
    assert content["matrix"]["flow"]["near"] == [None, None, None]
    assert "flow after phase 2" in record.reason
    assert first_problem(folder) is None
    assert np.all(load_statistics(folder)[3, "flow"]["not_finite"] >= 0)

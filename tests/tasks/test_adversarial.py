"""No degenerate prediction pays, whatever the kind; and the suite finds metrics that can be had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmark.cli.app import invoke
from benchmark.tasks import Task
from benchmark.tasks.adversarial import exploits, random_case
from benchmark.tasks.direction.losses import DirectionLosses
from benchmark.tasks.losses import evaluated, kind_of
from benchmark.tasks.metric_values import values_of
from benchmark.tasks.registry import find_kind, register_kind
from tests.architecture import KINDS
from tests.helpers.make_moving import FLOW_KIND

TASKS = {
    "semantic": {"kind": "segmentation", "channels": 5},
    "parts": {"kind": "segmentation", "channels": 2},
    "depth": {"kind": "regression", "channels": 1, "encoding": "depth", "unit": "m"},
    "disparity": {"kind": "regression", "channels": 1, "encoding": "inverse_depth"},
    "curvature": {"kind": "regression", "channels": 2},
    "normal": {"kind": "direction", "channels": 3},
    "edge": {"kind": "binary", "channels": 1},
    "flow": {"kind": "flow", "channels": 2},
}


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task of every kind that comes along, and of one from outside."""
    monkeypatch.setattr("benchmark.plug_ins._from_families", {})
    register_kind(FLOW_KIND)
    return Task(name=request.param, **TASKS[request.param])


@pytest.mark.parametrize("seed", range(5))
def test_nothing_degenerate_beats_the_best_constant(task: Task, seed: int) -> None:
    assert exploits(task, seed) == []


def test_a_prediction_that_knows_the_target_does(task: Task) -> None:
    kind = kind_of(task)
    raw, target = random_case(kind)
    values = [values_of(task, {name: each.numpy() for name, each in
                               evaluated(kind, output, target).items()})
              for output in (raw, raw.mean((0, 2, 3), keepdim=True).expand_as(raw))]
    (primary,) = (metric for metric in find_kind(task.kind).metrics.metrics(task)
                  if metric.primary)
    sign = 1 if primary.higher_is_better else -1
    assert sign * values[0][primary.name] > sign * values[1][primary.name]


def test_every_kind_that_comes_along_is_tried() -> None:
    assert {each["kind"] for each in TASKS.values()} >= set(KINDS)


def test_an_angle_to_nothing_that_counts_as_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def statistics(self: DirectionLosses, raw: torch.Tensor,
                   target: torch.Tensor) -> dict[str, torch.Tensor]:
        still = (raw == 0).all(1, keepdim=True)
        return honest(self, torch.where(still, target, raw), target)

    honest = DirectionLosses.statistics
    monkeypatch.setattr(DirectionLosses, "statistics", statistics)
    found = exploits(Task(name="normal", kind="direction", channels=3))
    assert [each.split(":")[0] for each in found] == ["zero", "negative zero"]
    assert "better than" in found[0]


def test_an_outside_kind_whose_metric_can_be_had_is_found(tmp_path: Path) -> None:
    assert invoke(["new", "kind", "scene_flow", "--to", str(tmp_path)]) == 0
    losses = tmp_path / "scene_flow" / "losses.py"
    text = losses.read_text()
    assert "def statistics" in text
    losses.write_text(text.replace("distance = self.loss_map(raw.double(), target.double())",
                                   "distance = self.loss_map(raw.double(), target.double())"
                                   "\n        distance = torch.where(distance > 1e9, 0, distance)"))
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           str(tmp_path)], capture_output=True, text=True, timeout=300,
                          cwd=tmp_path)
    assert done.returncode == 1
    assert "huge: distance 0, better than" in done.stdout

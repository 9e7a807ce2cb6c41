"""Synthetic but plausible records: methods that forget more or less, and bounds that do not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import PROTOCOL_VERSION
from benchmark.record import Record
from benchmark.report.runs.collection import RunCollection, StoredRun
from benchmark.tasks import Task
from benchmark.tasks.metric_values import metrics_of

TASKS = {
    "semantic": Task(name="semantic", kind="segmentation", channels=13),
    "depth": Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m"),
    "normals": Task(name="normals", kind="direction", channels=3),
    "edges": Task(name="edges", kind="binary", channels=1),
}
LEVELS = {"miou": 42, "pixel_accuracy": 70, "abs": 0.55, "rmse": 0.8, "rel": 0.2, "delta1": 62,
          "mean": 27, "median": 21, "within_11_25": 30, "within_22_5": 54, "within_30": 66,
          "f_max": 60, "balanced_bce": 0.4}
BOUNDS = ("joint", "separate")
KEPT = {"finetune": .45, "lwf": .8, "ewc": .6, "had": .88, "der": .75, "icarl": .72, "spg": .66,
        "sgp": .62, "frozen": .97}


@dataclass(frozen=True)
class Maker:
    """Writes records below a folder and collects them as a reader would find them."""

    folder: Path
    made: list[StoredRun] = field(default_factory=list)

    def run(self, method: str = "finetune", seed: int = 0, sequence: str = "rooms_s1",
            tasks: tuple[str, ...] = ("semantic", "depth", "normals"),
            method_config: dict[str, Any] | None = None, failed: str = "",
            fingerprint: str = "f" * 64, matrix: dict[str, Any] | None = None,
            plug_in: str | None = None, command: str = "", about: str = "",
            **recipe: Any) -> StoredRun:
        config = {"weight": 1.0} if method_config is None else method_config
        extra = "".join(f"-{key}{value}" for key, value in {**config, **recipe}.items())
        run_id = re.sub(r"[^A-Za-z0-9_.-]", "_",
                        f"{sequence}-{method}{extra}-{seed}-{fingerprint[:4]}{plug_in or ''}")
        content = {
            "schema": 1, "protocol": PROTOCOL_VERSION, "run_id": run_id, "reason": failed,
            "status": "failed" if failed else "complete",
            "method": {"name": method, "config": config,
                       "kind": "bound" if method in BOUNDS else "lifelong"},
            "sequence": sequence, "seed": seed,
            "dataset": {"name": "rooms", "fingerprint": fingerprint, "train_images": 300,
                        "eval_images": 60},
            "tasks": [{"name": name, "kind": TASKS[name].kind,
                       "metrics": [vars(metric) for metric in metrics_of(TASKS[name])]}
                      for name in tasks],
            "matrix": matrix or plausible(method, seed, tasks),
            "phases": [{"task": name, "epochs": 20, "steps": 80, "images": 100,
                        "train_seconds": 12.5 + seed, "eval_seconds": 2, "peak_memory_bytes": 1,
                        "images_per_second": 160} for name in tasks],
            "cost": {"parameters": 10 ** 7, "parameters_added": 0,
                     "carried_bytes": 0 if method == "finetune" else 44 * 2 ** 20},
            "config": {"method": method, "method_config": config, "sequence": sequence,
                       "seed": seed, "plug_in": plug_in,
                       "recipe": {"about": about, "epochs": 20, "lr": 1e-4} | recipe},
            "environment": {"device": "cpu", "command": command},
        }
        record = Record.model_validate(content)
        folder = self.folder / run_id
        record.save(folder)
        found = StoredRun(record, folder)
        self.made.append(found)
        return found

    def collection(self) -> RunCollection:
        return RunCollection(
            tuple(each for each in self.made if each.record.status == "complete"),
            tuple(each for each in self.made if each.record.status == "failed"))


def plausible(method: str, seed: int, tasks: tuple[str, ...]) -> dict[str, Any]:
    """Values that decay towards nothing after a task's own phase, and noise by seed."""
    random = np.random.default_rng([seed, *map(ord, method)])
    phases, keep = len(tasks), KEPT.get(method, .7)
    matrix: dict[str, Any] = {}
    for learnt, name in enumerate(tasks):
        matrix[name] = {}
        for metric in metrics_of(TASKS[name]):
            row: list[float | None] = [None] * phases
            for phase in range(learnt, phases):
                share = 1.08 if method in BOUNDS else keep ** (phase - learnt)
                share *= 1 - .25 * keep ** 4 + random.normal(0, .02)
                level = LEVELS[metric.name]
                row[phase] = float(level * share if metric.higher_is_better else level / share)
            if method in BOUNDS:
                row[:-1] = [None] * (phases - 1)
            matrix[name][metric.name] = row
    return matrix


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "runs")

"""What both sides are given: the same images, labels and initial weights, in a temporary folder.

    store/      images and labels as the benchmark reads them
    nyuv2/      the same as the released code reads them: train/image/0.npy, val/label/0.npy, ...
    weights.safetensors
                initial values of the backbone and of all heads
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors.torch import save_file

from benchmark.data.sources.rooms import Config, open_store
from benchmark.data.sources.source import DataPaths, default_cache
from benchmark.data.store.files import IMAGE, SPLITS, Split, Store
from benchmark.data.store.writer import StoreWriter, build
from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.request import RunRequest
from benchmark.model.network import Network
from benchmark.tasks import Task

CLASSES = 13
"""Of NYUv2: the released code knows no other number for its data set."""
KINDS = ("semantic", "depth", "normal")
_FOLDERS: dict[Split, str] = {"train": "train", "eval": "val"}


@dataclass(frozen=True)
class Job:
    """One comparison; plain values, which both processes are sent."""

    folder: Path
    released: Path
    """The checkout of the authors' code."""
    size: tuple[int, int]
    """Height and width of the images."""
    batch: int
    tasks: int
    steps_per_epoch: int
    epochs: int
    """Of the whole runs."""
    precision: Literal["fp32", "bf16"]
    """Of this project's side; the released code knows fp32 alone."""
    device: Literal["cpu", "cuda"]
    backbone: str

    @property
    def task_names(self) -> tuple[str, ...]:
        """semantic, depth, normal, semantic_2, depth_2, ... as many as there are tasks."""
        return tuple(KINDS[i % 3] + (f"_{i // 3 + 1}" if i >= 3 else "")
                     for i in range(self.tasks))

    @property
    def counts(self) -> dict[Split, int]:
        """Images to train and to evaluate on."""
        return {"train": self.tasks * self.steps_per_epoch * self.batch, "eval": 2 * self.batch}

    def plan(self, dropout: bool = True) -> Plan:
        """This project's run: method `had_released`, recipe `released`, from random weights."""
        request = RunRequest("had_released", "nyuv2_s1", recipe="released", settings=(
            f"recipe.batch={self.batch}", f"recipe.epochs={self.epochs}", "recipe.weights=none",
            f"recipe.backbone={self.backbone}", f"recipe.precision={self.precision}",
            f"dataset.size=[{self.size[0]},{self.size[1]}]",
            *(() if dropout else ("recipe.head_dropout=0",))))
        plan = make_plan(request)
        config = plan.config.model_copy(update={"tasks": self.task_names})
        return Plan(config, plan.method, plan.source_config, plan.sequence)


def prepare(job: Job) -> None:
    """Write images, labels and initial weights into the job's folder."""
    rooms = open_store(Config(train=job.counts["train"], eval=job.counts["eval"],
                              height=job.size[0], width=job.size[1]),
                       DataPaths(default_cache()))
    tasks = [_task(name) for name in job.task_names]
    build(job.folder / "store", tasks, "rooms", 1, {}, lambda writer: _fill(writer, rooms, tasks))
    _write_npy(job.folder / "nyuv2", rooms)
    plan = job.plan()
    network = Network(plan.config.recipe, plan.config.seed)
    for task in tasks:
        network.add_head(task)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()},
              job.folder / "weights.safetensors")


def _task(name: str) -> Task:
    kind = name.partition("_")[0]
    if kind == "semantic":
        return Task(name=name, kind="segmentation", channels=CLASSES,
                    classes=tuple(f"class {index}" for index in range(CLASSES)))
    if kind == "depth":
        return Task(name=name, kind="regression", channels=1, encoding="depth", unit="m")
    return Task(name=name, kind="direction", channels=3)


def _labels(rooms: Store, split: Split, kind: str) -> np.ndarray:
    """Targets: the last of the rooms' 14 classes, pillars, counts as wall; normals have length one
    in float32, since the released code does not scale labels."""
    values = np.array(rooms.array(split, kind))
    if kind == "semantic":
        return np.where(values == CLASSES, 0, values)
    if kind == "normal":
        values = values.astype(np.float32)
        return values / np.linalg.norm(values, axis=1, keepdims=True)
    return values


def _fill(writer: StoreWriter, rooms: Store, tasks: list[Task]) -> None:
    for split in SPLITS:
        images = rooms.array(split, IMAGE)
        writer.array(split, IMAGE, images.shape, "uint8")[:] = images
        for task in tasks:
            labels = _labels(rooms, split, task.name.partition("_")[0])
            writer.array(split, task.name, labels.shape, str(labels.dtype))[:] = labels


def _write_npy(root: Path, rooms: Store) -> None:
    """One file per image and kind of label, float32, channels last."""
    for split, part in _FOLDERS.items():
        # Divided as the benchmark divides: the very same numbers.
        maps = {"image": np.array(rooms.array(split, IMAGE), np.float32) / np.float32(255)}
        maps |= {"label" if kind == "semantic" else kind:
                 _labels(rooms, split, kind).astype(np.float32) for kind in KINDS}
        # The benchmark marks a pixel without a class by 255, the released code by -1.
        maps["label"][maps["label"] == 255] = -1
        for name, values in maps.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for number, value in enumerate(values):
                np.save(folder / f"{number}.npy",
                        np.moveaxis(value, 0, -1) if value.ndim == 3 else value)

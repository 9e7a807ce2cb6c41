"""`gradients`: where a prediction changes steeply, and where its distillation loss does.

HAD (Zhang et al., CVPR 2026) distils where the loss map between student and teacher changes, not
where the prediction does. Both are drawn for the old tasks of the last phase: the teacher is what
the network said after the phase before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.components.salience import salient_pixels, sobel
from benchmark.errors import RequestError
from benchmark.report.plots.drawing import write
from benchmark.report.plots.keys import key_of
from benchmark.report.plots.means import title_of
from benchmark.report.plots.panels import Block, sheet
from benchmark.report.plots.previewed import Shown, previewed
from benchmark.report.plots.style import COLOURS
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid
from benchmark.tasks import Task
from benchmark.tasks.appearance import Pixels, coloured
from benchmark.tasks.losses import kind_of

ROWS = 2
"""Images of each task."""
THRESHOLD = 0.9
"""HAD's k, for methods without a `salience_threshold`."""

Map = NDArray[Any]


@dataclass(frozen=True)
class Distilling:
    """How a method compares outputs, as far as its settings say; HAD's defaults for the rest."""

    soft: bool
    temperature: float
    threshold: float

    @classmethod
    def of(cls, run: Shown) -> Distilling:
        """The settings of a run."""
        config = run.record.method.config
        soft = config.get("targets") == "soft"
        return cls(soft, _number(config.get("temperature"), 1.0) if soft else 1.0,
                   _number(config.get("salience_threshold"), THRESHOLD))

    @property
    def told(self) -> str:
        """In words."""
        targets = f"soft targets, T = {self.temperature:g}" if self.soft else "hard targets"
        return f"{targets}, k = {self.threshold:g}"


@dataclass(frozen=True)
class Maps:
    """Student and teacher on some images; all but the predictions are [N, H, W]."""

    teacher: Map
    student: Map
    steepness: Map
    """Sobel gradient magnitude of the student's prediction: of all its channels together (root of
    the sum of squares), of probabilities where it says classes."""
    distance: Map
    """The task kind's distillation distance per pixel."""
    gradient: Map
    """Sobel gradient magnitude of the distance."""
    salient: Map
    """Bool: where that gradient, min-max scaled per image, exceeds k."""


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path) -> list[Path]:
    """Write `gradients_<method>_<sequence>` as PNG and PDF for every lifelong method shown.

    Raises `RequestError` as `previewed` does, and when no run has an old task.
    """
    files: list[Path] = []
    for grid, runs in previewed(collection, sequences):
        for run in runs:
            if not run.bound and _old_tasks(run):
                files += write(f"gradients_{run.label}", [grid], partial(figure, run=run), to)
    if not files:
        raise RequestError("no run with previews has a task that it learnt in an earlier phase; "
                           "gradients are drawn for lifelong methods on two tasks or more")
    return files


def figure(grid: Grid, run: Shown) -> Figure:
    """A block per old task."""
    last, how = len(run.previews.tasks), Distilling.of(run)
    about = (f"After phase {last} ({run.previews.tasks[-1].name}), on the first evaluation images; "
             f"teacher: after phase {last - 1}. Distance: {how.told}. Gradients and distances "
             f"from 0 (black) to their largest value in the image. Seed {run.record.seed}.")
    return sheet(f"{run.label} on {title_of(grid)}: gradients", about,
                 [_block(run, task, how) for task in _old_tasks(run)])


def maps_of(run: Shown, task: Task, how: Distilling, images: int = ROWS) -> Maps:
    """The maps of an old task after the last phase, on the first `images`."""
    last, kind = len(run.previews.tasks), kind_of(task)
    teacher, student = (torch.from_numpy(run.previews.raw[phase, task.name][:images]).float()
                        for phase in (last - 1, last))
    smooth = kind.smooth_prediction(student)
    channels = smooth.reshape(len(student), -1, *student.shape[-2:]).transpose(0, 1)
    distance = kind.distance(student, teacher, soft=how.soft, temperature=how.temperature)
    found = (kind.prediction(teacher), kind.prediction(student),
             torch.stack([sobel(each).square() for each in channels]).sum(0).sqrt(),
             distance, sobel(distance), salient_pixels(distance, how.threshold))
    return Maps(*(each.numpy() for each in found))


def _old_tasks(run: Shown) -> list[Task]:
    """The tasks whose outputs are known after the last two phases."""
    last = len(run.previews.tasks)
    return [task for task in run.previews.tasks if (last - 1, task.name) in run.previews.raw]


def _block(run: Shown, task: Task, how: Distilling) -> Block:
    found = maps_of(run, task, how)
    truth = run.previews.truth[task.name][:ROWS]
    told, teacher, student = coloured(task, truth, task.valid(truth), found.teacher, found.student)
    images = run.previews.images[:ROWS].transpose(0, 2, 3, 1)
    return Block(task.name, {
        "image": images, "truth": told, "teacher": teacher, "student": student,
        "gradient of the student's prediction": _bright(found.steepness),
        "distance to the teacher": _bright(found.distance),
        "gradient of the distance": _bright(found.gradient),
        f"salient: {100 * found.salient.mean():.1f} % of pixels": _marked(images, found.salient)},
        key_of(task, truth, found.teacher, found.student))


def _bright(maps: Map) -> Pixels:
    largest = maps.max((1, 2), keepdims=True)
    scaled = np.nan_to_num(maps / np.where(largest > 0, largest, 1)).clip(0, 1)
    return np.asarray(255 * colormaps["inferno"](scaled)[..., :3], np.uint8)


def _marked(images: Pixels, chosen: Map) -> Pixels:
    """Images in pale grey with the chosen pixels in colour."""
    grey = 128 + images.mean(-1, keepdims=True) / 2
    mark = 255 * np.array(to_rgb(COLOURS[1]))
    return np.where(chosen[..., None], mark, np.broadcast_to(grey, images.shape)).astype(np.uint8)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and value >= 0 else otherwise

"""`gradients`: where a prediction changes steeply, and where its distillation loss does.

HAD (Zhang et al., CVPR 2026) distils where the loss map between student and teacher changes, not
where the prediction does. Both are drawn for the old tasks of the last phase: the teacher is what
the network predicted after the phase before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.components.salience import salient_pixels, sobel
from benchmark.errors import RequestError
from benchmark.report.plots.data import FigureData
from benchmark.report.plots.pictures import PictureBlock, figure_of_blocks
from benchmark.report.plots.previewed import PreviewedRun, previewed_runs
from benchmark.report.plots.style import COLOURS
from benchmark.tasks import Task
from benchmark.tasks.appearance import Pixels, colour_key, coloured
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
    def of(cls, run: PreviewedRun) -> Distilling:
        """The settings of a run."""
        config = run.record.method.config
        soft = config.get("targets") == "soft"
        return cls(soft, _number(config.get("temperature"), 1.0) if soft else 1.0,
                   _number(config.get("salience_threshold"), THRESHOLD))

    @property
    def text(self) -> str:
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


def gradients(data: FigureData) -> dict[str, Figure]:
    """A figure for every lifelong method of one sequence that is shown.

    Raises `RequestError` as `previewed_runs` does, and when no run has an old task.
    """
    figures = {f"gradients_{run.label}": _figure(data, run) for run in previewed_runs(data)
               if not run.bound and _old_tasks(run)}
    if not figures:
        raise RequestError(f"{data.title}: no run with previews has a task that it learnt in an "
                           "earlier phase; gradients are drawn for lifelong methods on two tasks "
                           "or more")
    return figures


def _figure(data: FigureData, run: PreviewedRun) -> Figure:
    """A block per old task."""
    last, how = len(run.previews.tasks), Distilling.of(run)
    about = (f"After phase {last} ({run.previews.tasks[-1].name}), on the first evaluation images; "
             f"teacher: after phase {last - 1}. Distance: {how.text}. Gradients and distances "
             f"from 0 (black) to their largest value in the image. Seed {run.record.seed}.")
    return figure_of_blocks(f"{run.label} on {data.title}: gradients", about,
                            [_block(run, task, how) for task in _old_tasks(run)])


def maps_of(run: PreviewedRun, task: Task, how: Distilling, images: int = ROWS) -> Maps:
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


def _old_tasks(run: PreviewedRun) -> list[Task]:
    """The tasks whose outputs are known after the last two phases."""
    last = len(run.previews.tasks)
    return [task for task in run.previews.tasks if (last - 1, task.name) in run.previews.raw]


def _block(run: PreviewedRun, task: Task, how: Distilling) -> PictureBlock:
    found = maps_of(run, task, how)
    truth = run.previews.truth[task.name][:ROWS]
    shown, teacher, student = coloured(task, truth, task.valid(truth), found.teacher,
                                       found.student)
    images = run.previews.images[:ROWS].transpose(0, 2, 3, 1)
    return PictureBlock(task.name, {
        "image": images, "truth": shown, "teacher": teacher, "student": student,
        "gradient of the student's prediction": _bright(found.steepness),
        "distance to the teacher": _bright(found.distance),
        "gradient of the distance": _bright(found.gradient),
        f"salient: {100 * found.salient.mean():.1f} % of pixels": _marked(images, found.salient)},
        colour_key(task, truth, found.teacher, found.student))


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

"""The tasks of Taskonomy, and how the numbers in their files become values.

Bits, units and the mask are those of the owners' README and of code that reads the files; the
constants that bring a map to mean 0 and deviation 1 are those of tstandley/taskgrouping.
See docs/datasets/taskonomy.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.store.codec import LARGEST, Codec
from benchmark.tasks import VOID, Task

CLASSES = ("background", "bottle", "chair", "couch", "potted plant", "bed", "dining table",
           "toilet", "tv", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock",
           "vase")
VTM_CLASSES = ("chair", "couch", "potted plant", "bed", "dining table", "tv", "microwave", "oven",
               "sink", "refrigerator", "clock", "vase")
"""Those of VTM (ICLR 2023), its code's 2-6, 8-10, 12, 13, 15 and 16."""
SEMANTIC, NORMAL = "segment_semantic", "normal"
DEPTHS = ("depth_zbuffer", "depth_euclidean")
"""Tasks that show where the scan has a hole; the first one of a copy is used."""


NORMAL_MEAN, NORMAL_DEVIATION, NO_NORMAL = 127.5, 127.5, (128, 128, 128)
"""Red is right, green down and blue away from the camera, the axes of a direction task."""

_NO_DEPTH = (0, LARGEST)


@dataclass(frozen=True)
class Scaling:
    """Scaling of a regression task's PNG files: value = (stored - mean) / deviation, per channel.

    Mean and deviation are in stored units; the first `len(mean)` channels of a file count.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    bits: int = 16
    file_channels: int = 1
    masked: bool = False
    """Whether pixels in holes of the scan are invalid."""
    no_data: tuple[int, ...] = ()
    """Stored values that are invalid wherever they are."""
    unit: str = ""

    @property
    def codec(self) -> Codec:
        """Codec whose codes are the stored values themselves.

        Several channels share a step fine enough to distinguish all stored values.
        """
        if len(self.mean) > 1:
            return Codec(scale=1 / 2048, offset=-14)
        return Codec(scale=1 / self.deviation[0], offset=-self.mean[0] / self.deviation[0])

    def task(self, name: str) -> Task:
        """Return the task `name` whose files have this scaling."""
        return Task(name=name, kind="regression", channels=len(self.mean), unit=self.unit,
                    encoding="depth" if name in DEPTHS else "plain")

    def values(self, stored: NDArray[np.uint16 | np.uint8]) -> NDArray[np.float32]:
        """Convert stored numbers [C, H, W] to values, NaN where there are no data."""
        # The largest code means invalid, so a valid 65535 becomes the next one.
        clipped = np.minimum(stored.astype(np.float64), LARGEST - 1)
        mean, deviation = (np.reshape(each, (-1, 1, 1)) for each in (self.mean, self.deviation))
        values: NDArray[np.float32] = ((clipped - mean) / deviation).astype(np.float32)
        values[np.isin(stored, self.no_data)] = np.nan
        return values


SCALINGS = {
    "depth_euclidean": Scaling((0,), (512,), no_data=_NO_DEPTH, unit="m"),
    "depth_zbuffer": Scaling((0,), (512,), no_data=_NO_DEPTH, unit="m"),
    "edge_texture": Scaling((718,), (1070,)),
    "edge_occlusion": Scaling((56.0248,), (239.1265,), masked=True),
    "keypoints2d": Scaling((50,), (100,)),
    "keypoints3d": Scaling((0,), (16384,), masked=True),
    "reshading": Scaling((255 * 0.4962,), (255 * 0.2846,), 8, 3, masked=True),
    "principal_curvature": Scaling((255 * 0.5175, 255 * 0.4987), (255 * 0.1373, 255 * 0.0359), 8, 3,
                                   masked=True),
}


def tasks_with(classes: tuple[str, ...] = CLASSES) -> dict[str, Task]:
    """Return all tasks by name, the segmentation with these classes."""
    return {task.name: task for task in (
        Task(name=SEMANTIC, kind="segmentation", channels=len(classes), classes=classes),
        Task(name=NORMAL, kind="direction", channels=3),
        *(scaling.task(name) for name, scaling in SCALINGS.items()))}


TASKS = tasks_with()
MASKED = (NORMAL, *(name for name, scaling in SCALINGS.items() if scaling.masked))


def holes(depth: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Return where a stored depth [1, H, W] shows a hole of the scan: bool [H, W]."""
    return np.isin(depth[0], _NO_DEPTH)


def class_of_value(classes: tuple[str, ...]) -> dict[int, int]:
    """Return the class of every stored value, VOID where it is none of `classes`.

    In the files, 0 is "uncertain" and 1 the background.
    """
    return {0: VOID} | {value: classes.index(name) if name in classes else VOID
                        for value, name in enumerate(CLASSES, start=1)}

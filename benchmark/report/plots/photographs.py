"""What was predicted on a photograph, as files: colours, overlay, legend and array of each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.files import write_atomically
from benchmark.report.plots.figure import save_cropped
from benchmark.report.plots.pictures import key_figure
from benchmark.tasks import Task
from benchmark.tasks.appearance import Pixels, colour_key, coloured


def write_prediction(folder: Path, photograph: Pixels, task: Task,
                     prediction: NDArray[Any]) -> dict[str, Path]:
    """Write the files of one task and return them by what they are.

    `photograph` is [3, H, W], `prediction` [H, W] or [channels, H, W] in the task's own unit.
    `<task>.png` has the kind's colours, over the range of this prediction; `<task>.overlay.png`
    half of them over the photograph; `<task>.legend.png` what they mean; `<task>.npy` the numbers.
    Grey pixels are not finite. Raises `OSError` when a file cannot be written.
    """
    whole = prediction[None]
    (colours,) = coloured(task, whole, task.valid(whole))
    seen = photograph.transpose(1, 2, 0)
    both = ((seen.astype(np.uint16) + colours[0] + 1) // 2).astype(np.uint8)
    files = {name: folder / f"{task.name}{end}" for name, end in (
        ("colours", ".png"), ("overlay", ".overlay.png"), ("legend", ".legend.png"),
        ("array", ".npy"))}
    _write_picture(files["colours"], colours[0])
    _write_picture(files["overlay"], both)
    save_cropped(key_figure(colour_key(task, whole)), files["legend"])
    write_atomically(files["array"], lambda to: _write_array(to, prediction))
    return files


def _write_picture(file: Path, picture: Pixels) -> None:
    write_atomically(file, lambda to: Image.fromarray(picture).save(to, format="PNG"))


def _write_array(file: Path, values: NDArray[Any]) -> None:
    with open(file, "wb") as opened:
        np.save(opened, values, allow_pickle=False)

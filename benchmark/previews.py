"""Pictures of what a finished run predicts: image, truth and prediction side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmark.data.phase_data import load
from benchmark.data.store import IMAGE, Store
from benchmark.files import write_atomically
from benchmark.method import Method, kinds
from benchmark.model.network import Network
from benchmark.tasks import Task
from benchmark.tasks.kinds import Kind

Pixels = NDArray[np.uint8]

ROWS = 4
_SMALLEST = 128
"""Least height of an image in a preview; smaller ones are enlarged by whole factors."""
_GREY = 128
"""Invalid pixels."""


@torch.no_grad()
def write(folder: Path, store: Store, method: Method, network: Network,
          tasks: list[Task], device: torch.device) -> None:
    """One PNG per task in `folder`: the first evaluation images, their truth, their prediction."""
    first = np.arange(min(ROWS, store.count("eval")))
    images = load(store, "eval", IMAGE, first, device)
    network.eval()
    raws = method.predict(network, images.float() / 255, tasks)
    photos = images.cpu().numpy().transpose(0, 2, 3, 1)
    for task, kind in kinds(tasks):
        truth = load(store, "eval", task.name, first, device)
        columns = (photos, *_coloured(kind, truth, kind.prediction(raws[task.name])))
        panel = np.concatenate([np.concatenate(list(column)) for column in columns], axis=1)
        _save(folder / f"{task.name}.png", panel, images.shape[-2])


def _save(path: Path, panel: Pixels, height: int) -> None:
    factor = max(1, -(-_SMALLEST // height))
    picture = Image.fromarray(panel.repeat(factor, axis=0).repeat(factor, axis=1))
    write_atomically(path, lambda to: picture.save(to, format="PNG"))


def _coloured(kind: Kind, truth: Tensor, guess: Tensor) -> tuple[Pixels, Pixels]:
    """Truth and prediction in the same colours, both uint8 [N, H, W, 3]."""
    valid = kind.valid(truth).cpu().numpy()
    maps = [values.float().cpu().numpy() for values in (truth, guess)]
    if kind.task.kind == "segmentation":
        shown = [_palette(kind.task.channels)[each.astype(int) % 256] for each in maps]
    elif kind.task.kind == "direction":  # towards the camera is blue, as usual
        shown = [(127.5 - 127.5 * each * np.array([-1, 1, 1])[:, None, None]).transpose(0, 2, 3, 1)
                 for each in maps]
    else:
        shown = _ramps(maps, valid)
    pixels = [np.clip(each, 0, 255).astype(np.uint8) for each in shown]
    pixels[0][~valid] = _GREY
    return pixels[0], pixels[1]


def _ramps(maps: list[Any], valid: NDArray[np.bool_]) -> list[Any]:
    """One channel through a colour map, three as colours; scaled to the range of the truth."""
    from matplotlib import colormaps

    if maps[0].ndim == 3:
        maps = [each[:, None] for each in maps]
    known = maps[0].transpose(0, 2, 3, 1)[valid]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    scaled = [np.nan_to_num((each - low) / max(high - low, 1e-9)).clip(0, 1) for each in maps]
    if maps[0].shape[1] == 3:
        return [255 * each.transpose(0, 2, 3, 1) for each in scaled]
    return [255 * colormaps["viridis"](each.mean(1))[..., :3] for each in scaled]


def _palette(classes: int) -> Pixels:
    """Colours far apart for neighbouring classes; grey for everything beyond them."""
    from matplotlib import colormaps

    colours = np.full((256, 3), _GREY, np.uint8)
    colours[:classes] = [np.multiply(colormaps["tab20"](k * 7 % 20)[:3], 255)
                         for k in range(classes)]
    return colours

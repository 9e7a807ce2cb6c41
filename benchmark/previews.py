"""Pictures of what a finished run predicts: image, truth and prediction side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmark.data.columns import load, pixels
from benchmark.data.store import IMAGE, Store
from benchmark.files import write_atomically
from benchmark.method import Method, kinds
from benchmark.model.network import Network
from benchmark.pictures import Pixels, coloured
from benchmark.tasks import Task

ROWS = 4
_SMALLEST = 128
"""Least height of an image in a preview; smaller ones are enlarged by whole factors."""


@torch.no_grad()
def write(folder: Path, store: Store, method: Method, network: Network,
          tasks: list[Task], device: torch.device) -> None:
    """One PNG per task in `folder`: the first evaluation images, their truth, their prediction."""
    first = np.arange(min(ROWS, store.count("eval")))
    images = load(store, "eval", IMAGE, first, device)
    network.eval()
    raws = method.predict(network, pixels(images), tasks)
    photos = images.cpu().numpy().transpose(0, 2, 3, 1)
    for task, kind in kinds(tasks):
        truth = load(store, "eval", task.name, first, device)
        guess = kind.prediction(raws[task.name]).float().cpu().numpy()
        valid = kind.valid(truth).cpu().numpy()
        columns = (photos, *coloured(task, truth.cpu().numpy(), valid, guess))
        panel = np.concatenate([np.concatenate(list(column)) for column in columns], axis=1)
        _save(folder / f"{task.name}.png", panel, images.shape[-2])


def _save(path: Path, panel: Pixels, height: int) -> None:
    factor = max(1, -(-_SMALLEST // height))
    picture = Image.fromarray(panel.repeat(factor, axis=0).repeat(factor, axis=1))
    write_atomically(path, lambda to: picture.save(to, format="PNG"))

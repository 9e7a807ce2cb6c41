"""What a run predicts on a few evaluation images: kept after every phase, drawn after the last.

`previews.npz` holds, for the first images of the evaluation split:

    tasks               one task as JSON per entry, in the sequence's order
    images              uint8 [N, 3, H, W]
    truth/<task>        targets as `Task` defines them, labels uint8, maps float16
    raw/<phase>/<task>  raw outputs float16 [N, C, H, W] of every task learnt by then
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.loading.array_loader import pixels
from benchmark.data.loading.blocks import Block
from benchmark.data.store.files import IMAGE, Store
from benchmark.engine import checkpoint
from benchmark.errors import RequestError
from benchmark.files import read_arrays, write_atomically
from benchmark.method import Method
from benchmark.model.network import Network
from benchmark.tasks import VOID, Task
from benchmark.tasks.appearance import Pixels, coloured
from benchmark.tasks.losses import kind_of
from benchmark.tasks.registry import UnknownKind, find_kind

PREVIEWS_FILE = "previews.npz"
IMAGES = 4
"""Most images that are kept."""
BYTES = 8 << 20
"""What all phases together may take before compression, as long as one image is kept."""
UNPACKED = 1 << 30
"""Most bytes a file may unpack to: it may come from anywhere."""

_SMALLEST = 128
"""Least height of an image in a preview; smaller ones are enlarged by whole factors."""
_KEY = re.compile(r"(?:truth|raw/([1-9]\d*))/([a-z][a-z0-9_]*)")


@dataclass(frozen=True)
class Previews:
    """Images, truth and what was predicted; see the head of the module for the arrays."""

    tasks: tuple[Task, ...]
    images: NDArray[np.uint8]
    truth: dict[str, NDArray[Any]]
    raw: dict[tuple[int, str], NDArray[np.float16]] = field(default_factory=dict)
    """By phase, counted from 1 as in the matrix of a record, and task."""

    @torch.no_grad()
    def take(self, phase: int, method: Method, network: Network, device: torch.device) -> None:
        """Keep the raw outputs of every task the network knows; it is in eval mode."""
        images = pixels(torch.from_numpy(self.images).to(device))
        known = list(network.tasks.values())
        raws = method.predict(network, images, known)
        for task in known:
            self.raw[phase, task.name] = _half(raws[task.name].float().cpu().numpy())

    def prediction(self, phase: int, task: Task) -> NDArray[Any]:
        """What was predicted after a phase, in the task's own unit: [N, H, W], or [N, C, H, W]
        of maps and directions. Raises `KeyError` where the task was not learnt by then."""
        raw = torch.from_numpy(self.raw[phase, task.name]).float()
        return kind_of(task).prediction(raw).numpy()

    def phases(self, task: str) -> list[int]:
        """The phases after which there are outputs of a task."""
        return sorted(phase for phase, name in self.raw if name == task)

    def save(self, folder: Path) -> None:
        """Write `previews.npz`, atomically; the same previews give the same bytes."""
        order = [task.name for task in self.tasks]
        raw = sorted(self.raw, key=lambda key: (key[0], order.index(key[1])))
        arrays = {"tasks": np.array([task.model_dump_json() for task in self.tasks]),
                  "images": self.images, **{f"truth/{name}": self.truth[name] for name in order},
                  **{f"raw/{phase}/{name}": self.raw[phase, name] for phase, name in raw}}

        def write(path: Path) -> None:
            with open(path, "wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)

        write_atomically(folder / PREVIEWS_FILE, write)

    def restore(self, folder: Path, last: int) -> None:
        """Take over what `folder` holds of the phases up to `last`.

        Runs that an earlier version began have no file, and go on without those phases. Raises
        `RequestError` for a file that is damaged or of other images.
        """
        if (folder / PREVIEWS_FILE).exists():
            kept = load_previews(folder)
            if kept.tasks != self.tasks or not np.array_equal(kept.images, self.images):
                raise _refused(folder, "they are of another run")
            self.raw.update({key: raw for key, raw in kept.raw.items() if key[0] <= last})

    def checksum(self) -> str:
        """sha256 over what was predicted."""
        return checkpoint.checksum((f"{phase}/{task}", array) for (phase, task), array
                                   in sorted(self.raw.items()))

    def draw(self, folder: Path) -> None:
        """One PNG per task in `folder`: the images, their truth, what was predicted last."""
        photos = self.images.transpose(0, 2, 3, 1)
        for task in self.tasks:
            for phase in self.phases(task.name)[-1:]:
                truth = self.truth[task.name]
                columns = (photos, *coloured(task, truth, task.valid(truth),
                                             self.prediction(phase, task)))
                panel = np.concatenate([np.concatenate(list(column)) for column in columns], axis=1)
                _save_picture(folder / f"{task.name}.png", panel, self.images.shape[-2])


def first_images(store: Store, tasks: Sequence[Task], blocks: Sequence[Block]) -> Previews:
    """Previews of a run over `blocks` before anything was learnt."""
    height, width = store.array("eval", IMAGE).shape[-2:]
    rows = slice(images_kept(tasks, [block.tasks for block in blocks], height * width))
    images, *truths = (np.array(store.values("eval", name, rows))
                       for name in (IMAGE, *(task.name for task in tasks)))
    return Previews(tuple(tasks), images, {
        task.name: values if values.dtype == np.uint8 else _half(values)
        for task, values in zip(tasks, truths, strict=True)})


def images_kept(tasks: Sequence[Task], learnt: Sequence[Sequence[str]], pixels: int) -> int:
    """How many images of so many pixels are kept by a run that learns `learnt`, phase by phase."""
    channels = {task.name: task.channels for task in tasks}
    truth = sum(1 if find_kind(task.kind).spec.labels else 2 * task.channels for task in tasks)
    later = range(len(learnt), 0, -1)
    raw = sum(2 * channels[name] * phases for names, phases in zip(learnt, later, strict=True)
              for name in names)
    return max(1, min(IMAGES, BYTES // (pixels * (3 + truth + raw))))


def load_previews(folder: Path) -> Previews:
    """The inverse of `Previews.save`.

    Raises `RequestError` naming the file when it is missing, damaged or anything else.
    """
    path = folder / PREVIEWS_FILE
    try:
        return _checked(read_arrays(path, UNPACKED))
    except FileNotFoundError:
        raise RequestError(f"{path} does not exist") from None
    except UnknownKind as error:
        raise RequestError(f"{path}: {error}") from None
    except Exception as error:  # zipfile, zlib, numpy and pydantic each raise their own
        message = " ".join(str(error).split()) or type(error).__name__
        raise _refused(folder, message) from None


def _refused(folder: Path, why: str) -> RequestError:
    return RequestError(f"{folder / PREVIEWS_FILE}: not usable as previews: {why}; lhlbench run "
                        "--overwrite makes them anew")


def _checked(arrays: dict[str, NDArray[Any]]) -> Previews:
    tasks = {task.name: task for task in map(Task.model_validate_json,
                                             arrays.pop("tasks").tolist())}
    images = arrays.pop("images")
    count, _, height, width = images.shape
    _require("images", images, "uint8", (count, 3, height, width))
    found = Previews(tuple(tasks.values()), images, {})
    for key, array in arrays.items():
        match = _KEY.fullmatch(key)
        if match is None or match[2] not in tasks or int(match[1] or 1) > len(tasks):
            raise ValueError(f"unexpected array '{key}'")
        task = tasks[match[2]]
        if match[1]:
            _require(key, array, "float16", (count, task.channels, height, width))
            found.raw[int(match[1]), task.name] = array
            continue
        spec = find_kind(task.kind).spec
        _require(key, array, "uint8" if spec.labels else "float16",
                 (count, *spec.target_shape(task, (height, width))))
        names = spec.label_names(task)
        if spec.labels and (array[array != VOID] >= len(names)).any():
            raise ValueError(f"'{key}' has labels beyond its {len(names)} classes")
        found.truth[task.name] = array
    if absent := set(tasks) - set(found.truth):
        raise ValueError(f"the truth of {', '.join(sorted(absent))} is missing")
    return found


def _require(key: str, array: NDArray[Any], dtype: str, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape or 0 in shape:
        raise ValueError(f"'{key}' is {array.dtype} {list(array.shape)}, not {dtype} "
                         f"{list(shape)}")


def _half(values: NDArray[Any]) -> NDArray[np.float16]:
    """As float16; what is beyond its range becomes its largest number, NaN stays."""
    largest = np.finfo(np.float16).max
    halved: NDArray[np.float16] = np.clip(values, -largest, largest).astype(np.float16)
    return halved


def _save_picture(path: Path, panel: Pixels, height: int) -> None:
    factor = max(1, -(-_SMALLEST // height))
    picture = Image.fromarray(panel.repeat(factor, axis=0).repeat(factor, axis=1))
    write_atomically(path, lambda to: picture.save(to, format="PNG"))

"""Where the files of a copy lie, and which images have all of theirs: names only, nothing opened.

    point_<p>_view_<v>_domain_<domain>.png    in the folder of a task and a building
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from benchmark.data.sources.taskonomy.rules import TASKS
from benchmark.data.sources.taskonomy.splits import DAMAGED
from benchmark.data.store.files import SPLITS, Split
from benchmark.errors import DataError

RGB = "rgb"
Missing = Literal["refuse", "skip"]

_DOMAINS = {"segment_semantic": "segmentsemantic"}
_IMAGE = re.compile(r"point_(0|[1-9]\d*)_view_(0|[1-9]\d*)_domain_rgb\.png")


class View(NamedTuple):
    """One photograph; views sort by building, then by number."""

    building: str
    point: int
    view: int

    def __str__(self) -> str:
        return f"{self.building}/point_{self.point}_view_{self.view}"


@dataclass(frozen=True)
class Copy:
    """A copy of the data set; `form` is where it keeps a task's files of a building."""

    root: Path
    form: str

    def folder(self, task: str, building: str) -> Path:
        """The folder of a task (or of the images, `RGB`) for a building."""
        return self.root / self.form.format(task=task, building=building)

    def name(self, task: str, view: View) -> str:
        """A file's path relative to the root, with forward slashes."""
        return f"{self.form.format(task=task, building=view.building)}/{_file(task, view)}"

    def path(self, task: str, view: View) -> Path:
        """The file of a task, or the image."""
        return self.root / self.name(task, view)


@dataclass(frozen=True)
class Survey:
    """What a copy holds."""

    tasks: tuple[str, ...]
    """Tasks with a folder for one of the buildings at least."""
    views: Mapping[Split, Sequence[View]]
    left_out: Sequence[View]
    """Images of the buildings that are damaged, skipped, or short of a label."""


def survey(copy: Copy, parts: Mapping[Split, Sequence[str]], skip: Iterable[str],
           missing: Missing) -> Survey:
    """Find the images of the buildings in `parts`, and that every task has a file for each.

    An image without one is an error, or left out when `missing` is "skip". Raises `DataError`
    that names the file or folder.
    """
    buildings = [building for split in SPLITS for building in parts[split]]
    if gone := [name for name in buildings if not copy.folder(RGB, name).is_dir()]:
        raise DataError(f"there is no folder {copy.folder(RGB, gone[0])}, and {gone[0]} is a "
                        "building of the tiny split; --set buildings=[a,b] reads only some, "
                        f"--set skip=[{','.join(gone)}] leaves out those that are not there")
    tasks = tuple(task for task in TASKS
                  if any(copy.folder(task, name).is_dir() for name in buildings))
    if not tasks:
        folders = ", ".join(str(copy.folder(task, buildings[0])) for task in TASKS)
        raise DataError(f"{copy.root} has images but no labels; none of these folders exists: "
                        f"{folders}")
    unwanted = DAMAGED.union(skip)
    views: dict[Split, list[View]] = {split: [] for split in SPLITS}
    left_out: list[View] = []
    for split in SPLITS:
        for building in parts[split]:
            found = _images(copy, building)
            short = {view for view in found if str(view) in unwanted}
            for task in tasks:
                names = set(_names(copy.folder(task, building)))
                lacking = [view for view in found
                           if _file(task, view) not in names and view not in short]
                if lacking and missing == "refuse":
                    raise _missing(copy, task, lacking[0])
                short.update(lacking)
            views[split] += [view for view in found if view not in short]
            left_out += sorted(short)
        if not views[split]:
            raise DataError(f"{copy.root}: not one of the {split} images in "
                            f"{', '.join(parts[split])} has a file of all tasks "
                            f"({', '.join(tasks)}); copy the missing ones")
    return Survey(tasks, views, left_out)


def _file(task: str, view: View) -> str:
    return f"point_{view.point}_view_{view.view}_domain_{_DOMAINS.get(task, task)}.png"


def _images(copy: Copy, building: str) -> list[View]:
    folder = copy.folder(RGB, building)
    matches = (_IMAGE.fullmatch(name) for name in _names(folder))
    found = sorted(View(building, int(match[1]), int(match[2])) for match in matches if match)
    if not found:
        raise DataError(f"{folder} has no image point_<p>_view_<v>_domain_rgb.png; copy the "
                        f"building again, or leave it out with --set skip=[{building}]")
    return found


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None


def _missing(copy: Copy, task: str, view: View) -> DataError:
    return DataError(f"{copy.path(task, view)} is missing, the label of {copy.name(RGB, view)}; "
                     f"copy it, leave out this image with --set skip=[{view}], or all such "
                     f"images with --set missing=skip, or move the {task} folders away")

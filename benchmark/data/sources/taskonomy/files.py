"""The images of the tiny split, and where their files lie in a copy; no file is opened.

    point_<p>_view_<v>_domain_<domain>.png    in the folder of a task and a building

The names of the buildings and their order are those of the owners' split files
(StanfordVL/taskonomy, data/assets/splits_taskonomy.zip).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from benchmark.data.sources.taskonomy.tasks import TASKS
from benchmark.data.store.files import SPLITS, Split
from benchmark.errors import DataError, RequestError, unknown

Part = Literal["test", "val"]
Missing = Literal["refuse", "skip"]

RGB = "rgb"
_DOMAINS = {"segment_semantic": "segmentsemantic"}
_IMAGE = re.compile(r"point_(0|[1-9]\d*)_view_(0|[1-9]\d*)_domain_rgb\.png")

TRAIN = ("hanson", "merom", "klickitat", "onaga", "leonardo", "marstons", "newfields", "pinesdale",
         "lakeville", "cosmos", "benevolence", "pomaria", "tolstoy", "shelbyville", "allensville",
         "wainscott", "beechwood", "coffeen", "stockman", "hiteman", "woodbine", "lindenwood",
         "forkland", "mifflinburg", "ranchester")
EVAL: dict[Part, tuple[str, ...]] = {
    "test": ("ihlen", "muleshoe", "uvalda", "noxapater", "mcdade"),
    "val": ("wiconisco", "corozal", "collierville", "markleeville", "darden")}
TINY = (*TRAIN, *EVAL["val"], *EVAL["test"])

DAMAGED = frozenset({"newfields/point_1070_view_8", "muleshoe/point_399_view_5",
                     "woodbine/point_1096_view_6"})
"""Images that cannot be decoded in the copy usually downloaded (EPFL-VILAB/omnidata issue 7,
StanfordVL/taskonomy issue 72): never used, so that all readers of the set see the same images."""


def choose_buildings(buildings: Sequence[str], part: Part,
                     skip: Sequence[str]) -> dict[Split, list[str]]:
    """Choose the buildings of either split, in the order of the split files.

    `buildings` empty means all. Raises `RequestError` for a name that is not of the tiny split,
    and when no building is left of a split.
    """
    for name in (*buildings, *(image.partition("/")[0] for image in skip)):
        if name not in TINY:
            raise unknown("building", name, TINY)
    parts: dict[Split, list[str]] = {}
    roles: dict[Split, tuple[str, ...]] = {"train": TRAIN, "eval": EVAL[part]}
    for split, known in roles.items():
        parts[split] = [name for name in known
                        if name not in skip and (not buildings or name in buildings)]
        if not parts[split]:
            raise RequestError(f"buildings and skip leave none for the {split} split; add one of "
                               f"{', '.join(known)}")
    return parts


class View(NamedTuple):
    """One photograph; views sort by building, then by number."""

    building: str
    point: int
    view: int

    def __str__(self) -> str:
        return f"{self.building}/point_{self.point}_view_{self.view}"


@dataclass(frozen=True)
class FilePaths:
    """Paths of the files of a copy; `form` is the folder of a task's files of a building."""

    root: Path
    form: str

    def folder(self, task: str, building: str) -> Path:
        """Return the folder of a task (or of the images, `RGB`) for a building."""
        return self.root / self.form.format(task=task, building=building)

    def name(self, task: str, view: View) -> str:
        """Return a file's path relative to the root, with forward slashes."""
        return f"{self.form.format(task=task, building=view.building)}/{_file(task, view)}"

    def path(self, task: str, view: View) -> Path:
        """Return the file of a task, or the image (`RGB`)."""
        return self.root / self.name(task, view)


@dataclass(frozen=True)
class FoundViews:
    """The images of a copy and the tasks it has labels for."""

    tasks: tuple[str, ...]
    """Tasks with a folder for one of the buildings at least."""
    views: Mapping[Split, Sequence[View]]
    left_out: Sequence[View]
    """Images of the buildings that are damaged, skipped, or without some label."""


def find_views(paths: FilePaths, chosen: Mapping[Split, Sequence[str]], skip: Iterable[str],
               missing: Missing) -> FoundViews:
    """List the images of the chosen buildings that have a file of every task.

    An image without one is an error, or left out when `missing` is "skip". Raises `DataError`,
    naming the file or folder.
    """
    buildings = [building for split in SPLITS for building in chosen[split]]
    if gone := [name for name in buildings if not paths.folder(RGB, name).is_dir()]:
        raise DataError(f"there is no folder {paths.folder(RGB, gone[0])}, and {gone[0]} is a "
                        "building of the tiny split; --set buildings=[a,b] reads only some, "
                        f"--set skip=[{','.join(gone)}] leaves out those that are not there")
    tasks = tuple(task for task in TASKS
                  if any(paths.folder(task, name).is_dir() for name in buildings))
    if not tasks:
        folders = ", ".join(str(paths.folder(task, buildings[0])) for task in TASKS)
        raise DataError(f"{paths.root} has images but no labels; none of these folders exists: "
                        f"{folders}")
    unwanted = DAMAGED.union(skip)
    views: dict[Split, list[View]] = {split: [] for split in SPLITS}
    left_out: list[View] = []
    for split in SPLITS:
        for building in chosen[split]:
            found = _images(paths, building)
            excluded = {view for view in found if str(view) in unwanted}
            for task in tasks:
                names = set(_names(paths.folder(task, building)))
                lacking = [view for view in found
                           if _file(task, view) not in names and view not in excluded]
                if lacking and missing == "refuse":
                    raise _missing(paths, task, lacking[0])
                excluded.update(lacking)
            views[split] += [view for view in found if view not in excluded]
            left_out += sorted(excluded)
        if not views[split]:
            raise DataError(f"{paths.root}: not one of the {split} images in "
                            f"{', '.join(chosen[split])} has a file of all tasks "
                            f"({', '.join(tasks)}); copy the missing ones")
    return FoundViews(tasks, views, left_out)


def _file(task: str, view: View) -> str:
    return f"point_{view.point}_view_{view.view}_domain_{_DOMAINS.get(task, task)}.png"


def _images(paths: FilePaths, building: str) -> list[View]:
    folder = paths.folder(RGB, building)
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


def _missing(paths: FilePaths, task: str, view: View) -> DataError:
    return DataError(f"{paths.path(task, view)} is missing, the label of {paths.name(RGB, view)}; "
                     f"copy it, leave out this image with --set skip=[{view}], or all such "
                     f"images with --set missing=skip, or move the {task} folders away")

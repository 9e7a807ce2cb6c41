"""The interface between the files of a data set and the store: readers and layouts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from benchmark.data.store.codec import Codec
from benchmark.data.store.files import Split
from benchmark.errors import RequestError
from benchmark.tasks import Task

Targets = Mapping[str, NDArray[Any]]
"""`image` (uint8 [3, H, W]) and every task's target of one image, as `Task` defines them:
uint8 [H, W] for segmentation and binary, float [C, H, W] for regression and direction."""

_ROWS_AT_ONCE = 8


class DatasetReader(ABC):
    """Reader of the files of one copy of a data set, which decodes images and targets by row.

    Made by a layout's `open`, which lists files and reads headers only, and raises `DataError`
    when a file is missing. `read` is called from several threads at once.
    """

    tasks: Sequence[Task]
    """The tasks this copy has labels for."""
    size: tuple[int, int]
    """Height and width, in pixels, of what `read` returns."""
    names: Mapping[Split, Sequence[str]]
    """The name of every image, relative to the root, as messages and the manifest give it."""
    inputs: Sequence[Path]
    """Every file the arrays are made from."""
    codecs: Mapping[str, Codec] = {}
    """How regression tasks are stored; those not named are stored as float32."""
    marks: Mapping[str, str] = {}
    """Properties by which these arrays differ from those usually made of the data set (normals
    computed from depth, say); part of the fingerprint."""
    facts: Mapping[str, Any] = {}
    """Further content of the manifest's `source`, in JSON."""
    notes: Sequence[str] = ()
    """Sentences for readers of the manifest."""

    def units(self, split: Split) -> Sequence[range]:
        """Divide the rows of a split into units of work.

        A worker reads one unit at a time; an interrupted preparation repeats unfinished units.
        """
        count = len(self.names[split])
        return [range(start, min(start + _ROWS_AT_ONCE, count))
                for start in range(0, count, _ROWS_AT_ONCE)]

    @abstractmethod
    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        """Decode the image and targets of each row, in order, all of them of `size`.

        Raises `DataError`, naming the file, when one is damaged or does not fit.
        """

    def content_notes(self) -> Sequence[str]:
        """Return notes for the manifest that need decoded images; called after reading."""
        return ()

    def close(self) -> None:
        """Close the files that were kept open."""
        return None


@dataclass(frozen=True)
class Layout:
    """One arrangement of files in which copies of a data set come."""

    name: str
    about: str
    """The files it consists of, for messages: "train/image/0.npy, ... (MTAN, LibMTL)"."""
    find: Callable[[Path], Path | None]
    """Given a folder, or a file the user named, return the file or folder by which this layout
    is recognised, or None."""
    open: Callable[[Path, Any], DatasetReader]
    """Open the copy at the path that `find` accepted, under the data set's options.
    Raises `DataError`."""


def import_optional(module: str, extra: str, what: str) -> ModuleType:
    """Import a package that only some data sets need, from the extra that installs it.

    Raises `RequestError` that says how to install it; `what` is what needs it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise RequestError(f"{what} needs the package {module.partition('.')[0]}: "
                           f"pip install 'lhlbench[{extra}]'") from None

"""What a reader of a data set's files hands over, and the layouts a data set may come in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmark.data.store.codec import Codec
from benchmark.data.store.files import Split
from benchmark.tasks import Task

Targets = Mapping[str, NDArray[Any]]
"""`image` (uint8 [3, H, W]) and every task's target of one image, as `Task` defines them:
labels uint8 [H, W], maps float [C, H, W]."""


class Reading(ABC):
    """The files of one copy of a data set, surveyed but not yet decoded.

    Made by a layout's `open`, which looks at names and headers only and raises `DataError` when a
    file is missing. `read` is called from several threads at once.
    """

    tasks: Sequence[Task]
    """The tasks this copy has labels for."""
    size: tuple[int, int]
    """Height and width `read` delivers."""
    names: Mapping[Split, Sequence[str]]
    """The name of every image, relative to the root: what messages and the manifest call it."""
    inputs: Sequence[Path]
    """Every file the arrays are made from."""
    codecs: Mapping[str, Codec] = {}
    """How maps are stored; those not named are stored as float32."""
    marks: Mapping[str, str] = {}
    """What makes these arrays another data set than usual (normals computed from depth, say);
    part of the fingerprint."""
    facts: Mapping[str, Any] = {}
    """Other facts for the manifest, in JSON."""
    notes: Sequence[str] = ()
    """Sentences for whoever reads the manifest."""

    def units(self, split: Split) -> Sequence[range]:
        """Rows of a split in portions that are best read together; one at a time goes to a
        worker and is done again when the preparation is interrupted."""
        count = len(self.names[split])
        return [range(start, min(start + 8, count)) for start in range(0, count, 8)]

    @abstractmethod
    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        """The image and targets of each row, in order, all of them of `size`.

        Raises `DataError`, naming the file, when one is damaged or does not fit.
        """

    def close(self) -> None:
        """Give files back that were kept open."""
        return None


@dataclass(frozen=True)
class Layout:
    """One shape in which people hold a data set."""

    name: str
    about: str
    """What is where, for messages: "train/image/0.npy, ... (MTAN, LibMTL)"."""
    find: Callable[[Path], Path | None]
    """Given a folder, or a file the user named, the file that shows this layout is there."""
    open: Callable[[Path, Any], Reading]
    """Survey the copy at the path that `find` accepted, under the data set's options.
    Raises `DataError`."""

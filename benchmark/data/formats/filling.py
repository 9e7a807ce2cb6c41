"""Reading a data set's files into a store: several workers, resumable, checked."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmark.data.formats.reader import DatasetReader, Targets
from benchmark.data.store.codec import DTYPE, Codec
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.data.store.writer import StoreWriter
from benchmark.errors import DataError
from benchmark.tasks.registry import find_kind

_MOST_WORKERS = 16
_SCANNED_AT_ONCE = 16
_QUIET_SECONDS = 2.0
"""Seconds a preparation may take before its progress is shown."""
_Arrays = Mapping[str, NDArray[Any]]


def fill(writer: StoreWriter, reading: DatasetReader, what: str,
         workers: int | None = None) -> list[str]:
    """Read every image and target into the store; returns notes for its manifest.

    Rows that an interrupted call had finished are left alone. Raises `DataError`, naming the
    file, when something does not fit or a task has no valid pixel in a split.
    """
    workers = workers or min(_MOST_WORKERS, os.cpu_count() or 1)
    arrays = {split: _arrays(writer, reading, split) for split in SPLITS}
    for split in SPLITS:
        writer.files.setdefault(f"{split}/{IMAGE}", tuple(reading.names[split]))
    writer.marks = dict(reading.marks)
    units = {f"{split} {rows.start} {rows.stop}": (split, rows)
             for split in SPLITS for rows in reading.units(split)}
    left = {name: unit for name, unit in units.items() if name not in writer.done}

    def work(name: str) -> tuple[str, int]:
        split, rows = left[name]
        for row, targets in zip(rows, reading.read(split, rows), strict=True):
            _put(arrays[split], row, targets, reading, split)
        return name, len(rows)

    with image_progress(what, sum(len(rows) for _, rows in left.values())) as progress:
        for name, count in _in_parallel(work, list(left), workers):
            writer.note_done(name)
            progress.advance(count)
    writer.flush()
    return [*reading.notes, *reading.content_notes(), *_scan(writer, reading, arrays)]


def _arrays(writer: StoreWriter, reading: DatasetReader, split: Split) -> dict[str, NDArray[Any]]:
    count = len(reading.names[split])
    arrays = {IMAGE: writer.array(split, IMAGE, (count, 3, *reading.size), "uint8")}
    for task in reading.tasks:
        codec, spec = reading.codecs.get(task.name), find_kind(task.kind).spec
        shape = (count, *spec.target_shape(task, reading.size))
        dtype = DTYPE if codec else spec.dtypes[0]
        arrays[task.name] = writer.array(split, task.name, shape, dtype, codec)
    return arrays


def _put(arrays: _Arrays, row: int, targets: Targets, reading: DatasetReader, split: Split) -> None:
    if set(targets) != set(arrays):
        raise ValueError(f"the reader delivered {sorted(targets)}, not {sorted(arrays)}")
    for name, array in arrays.items():
        values = targets[name]
        if values.shape != array.shape[1:] or (array.dtype == np.uint8) != (
                values.dtype == np.uint8):
            raise ValueError(f"the reader delivered {values.dtype}{list(values.shape)} for {name}")
        codec = reading.codecs.get(name)
        try:
            array[row] = codec.encode(values) if codec else values
        except ValueError as error:
            raise DataError(f"{reading.names[split][row]}, {name}: {error}") from None


def _in_parallel(work: Any, names: Sequence[str], workers: int) -> Iterator[tuple[str, int]]:
    """Results in order, so that the first file that is wrong is the one told of."""
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = iter(names)
        running = deque(pool.submit(work, name) for name in islice(waiting, 4 * workers))
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(work, name) for name in islice(waiting, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _scan(writer: StoreWriter, reading: DatasetReader,
          arrays: Mapping[Split, _Arrays]) -> Iterator[str]:
    """Notes on what the finished arrays show. Raises `DataError` for a split without a label."""
    for split in SPLITS:
        for task in reading.tasks:
            array = arrays[split][task.name]
            codec = reading.codecs.get(task.name)
            if not any(task.valid(part).any() for part in portions(array, codec)):
                files = writer.files.get(f"{split}/{task.name}", reading.names[split])
                raise DataError(f"task '{task.name}': not one pixel of the {len(array)} {split} "
                                f"label files ({files[0]} ...) is valid; check void, invalid and "
                                "the files")
            notes = find_kind(task.kind).spec.notes
            yield from notes(task, split, portions(array, codec))


def portions(array: NDArray[Any], codec: Codec | None) -> Iterator[NDArray[Any]]:
    """The targets of an array a few images at a time, codes decoded."""
    parts = (array[start:start + _SCANNED_AT_ONCE]
             for start in range(0, len(array), _SCANNED_AT_ONCE))
    return (codec.decode(part) if codec else part for part in parts)


class ImageProgress:
    """Progress of a long preparation: a bar on a terminal, one line elsewhere."""

    def __init__(self, what: str, total: int, counted: str = "images") -> None:
        self._what, self._total, self._counted, self._done = what, total, counted, 0
        self._start = time.monotonic()
        self._bar: Progress | None = None
        self._shown = False

    def advance(self, images: int) -> None:
        """Count `images` more as finished."""
        self._done += images
        elapsed = time.monotonic() - self._start
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self._done)
        elif elapsed > _QUIET_SECONDS and self._done < self._total and not self._shown:
            self._shown = True
            self._show(elapsed * (self._total / self._done - 1))

    def _show(self, seconds_left: float) -> None:
        if sys.stderr.isatty():
            self._bar = Progress(TextColumn("{task.description}"), BarColumn(),
                                 MofNCompleteColumn(), TimeRemainingColumn(),
                                 console=Console(stderr=True), transient=True)
            self._bar.add_task(self._what, total=self._total, completed=self._done)
            self._bar.start()
        else:
            print(f"{self._what}: {self._total} {self._counted}, about {seconds_left:.0f} s left",
                  file=sys.stderr)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar:
            self._bar.stop()


@contextmanager
def image_progress(what: str, total: int, counted: str = "images") -> Iterator[ImageProgress]:
    """Show the progress of `total` images, or what else is counted, until the block ends."""
    progress = ImageProgress(what, total, counted)
    try:
        yield progress
    finally:
        progress.close()

"""Rows of a store's arrays on their way to the device: held there whole, or streamed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.store.codec import DTYPE, Codec
from benchmark.data.store.files import IMAGE, Split, Store

Preload = Literal["auto", "resident", "streamed"]
"""Whether data are held on the device, read from the store as they are needed, or whichever
suits their size. The batches are the same."""

_SHARE = {"cuda": 0.4, "cpu": 0.25}
"""Of the device's memory: what data may take to be held there."""
_AHEAD = 3
"""Batches read before they are asked for."""
_READERS = 4

Rows = NDArray[np.int64]


class ArrayLoader:
    """Chosen rows of some modalities of a split."""

    def __init__(self, store: Store, split: Split, device: torch.device,
                 preload: Preload = "auto") -> None:
        self._store, self._split, self._device = store, split, device
        self.streamed = preload == "streamed"
        self._budget = memory(device) * _SHARE.get(device.type, 0.25) if preload == "auto" else None
        self._bytes = 0
        self._rows: dict[str, Rows] = {}
        self._held: dict[str, Tensor] = {}

    def add(self, modality: str, rows: Rows | None = None) -> None:
        """Take in a modality: some rows of its array, all when None.

        Once all that was added exceeds what the device may hold, everything is streamed.
        """
        array = self._store.array(self._split, modality)
        rows = np.arange(len(array)) if rows is None else rows
        self._rows[modality] = rows
        # Held as it is needed, maps as float32: decoding once is what makes preload fast.
        self._bytes += len(rows) * array[:1].size * (1 if array.dtype == np.uint8 else 4)
        if self._budget is not None and self._bytes > self._budget:
            self.streamed = True
        if self.streamed:
            self._held.clear()
        else:
            raw = self._read(modality, slice(None)).to(self._device)
            self._held[modality] = self.decoded(modality, raw)

    def __contains__(self, modality: str) -> bool:
        return modality in self._rows

    def count(self, modality: str) -> int:
        """Number of rows taken in."""
        return len(self._rows[modality])

    def batches(self, requests: Sequence[Mapping[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
        """For each request (modality -> positions among its rows), the values on the device.

        See `decoded` for their form. Streaming reads ahead in threads; the order is kept.
        """
        if not self.streamed:
            yield from self._held_batches(requests)
            return
        with ThreadPoolExecutor(min(_READERS, os.cpu_count() or 1)) as pool:
            coming: deque[Future[dict[str, Tensor]]] = deque()
            try:
                for request in requests:
                    coming.append(pool.submit(self._fetch, request))
                    if len(coming) > _AHEAD:
                        yield self._arrived(coming.popleft())
                while coming:
                    yield self._arrived(coming.popleft())
            finally:
                for future in coming:
                    future.cancel()

    def _held_batches(self,
                      requests: Sequence[Mapping[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
        names = list(requests[0]) if requests else []
        rows = [on_device([request[name] for request in requests], self._device) for name in names]
        for positions in zip(*rows, strict=True):
            yield {name: self._held[name].index_select(0, each)
                   for name, each in zip(names, positions, strict=True)}

    def _arrived(self, future: Future[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {name: self.decoded(name, raw.to(self._device, non_blocking=True))
                for name, raw in future.result().items()}

    def _fetch(self, request: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {name: self._read(name, positions.numpy()) for name, positions in request.items()}
        if self._device.type == "cuda":
            return {name: raw.pin_memory() for name, raw in found.items()}
        return found

    def _read(self, modality: str, positions: Any) -> Tensor:
        taken = self._store.rows(self._split, modality, self._rows[modality][positions])
        # Few operations know torch.uint16; codes wait as int16 of the same bits.
        return torch.from_numpy(taken.view(np.int16) if taken.dtype == DTYPE else taken)

    def decoded(self, modality: str, raw: Tensor) -> Tensor:
        """Stored rows as images (uint8) or as targets of their task, maps as float32."""
        codec = None if modality == IMAGE else self._store.codec(self._split, modality)
        if codec is not None:
            return decode(codec, raw)
        return raw.float() if raw.is_floating_point() else raw


def on_device(parts: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Tensors [n_i, ...] on the device, copied there together: a copy for each would make every
    step wait."""
    return list(torch.cat(list(parts)).to(device).split([len(part) for part in parts]))


def decode(codec: Codec, raw: Tensor) -> Tensor:
    """Codes (int16 of the same bits) as float32 values, NaN where invalid."""
    values = raw.view(torch.uint16).to(torch.float32)
    invalid = values == codec.invalid
    return values.mul_(codec.scale).add_(codec.offset).masked_fill_(invalid, torch.nan)


def pixels(images: Tensor) -> Tensor:
    """Images (uint8) in [0, 1], as networks take them."""
    return images.float().div_(255)


def memory(device: torch.device) -> int:
    """Bytes the device has: free ones on CUDA, all of the machine's on CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

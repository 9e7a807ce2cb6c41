"""Requests to stop a run: where they come from, and where a run heeds them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from benchmark.errors import STOP_SIGNALS, SignalReceived

PATIENCE = 5.0
"""Most seconds that a run asked to stop goes on training, to finish its epoch and save it."""


class StopRequest:
    """A request to stop that a run looks for after every step and epoch; here there is none."""

    @property
    def made(self) -> bool:
        """Whether the run is to stop as soon as it can."""
        return False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within the context the run looks for the request itself, and is not to be disturbed."""
        yield


class StopSignals(StopRequest):
    """Within the context, SIGINT, SIGTERM and SIGHUP ask to stop.

    They raise `SignalReceived` at once, or, while deferred, make the request; a second one is
    raised at once in any case. Signals that are ignored stay ignored. For the main thread only.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        """The number of the first signal."""
        self._deferred = False
        self._before: dict[int, Any] = {}

    @property
    def made(self) -> bool:
        return self.received is not None

    @contextmanager
    def deferred(self) -> Iterator[None]:
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self.received is not None:
            raise SignalReceived(self.received)

    def check(self) -> None:
        """Raise `SignalReceived` again when a signal has come: code that catches everything, such
        as an import, may have swallowed it."""
        if self.received is not None:
            raise SignalReceived(self.received)

    def __enter__(self) -> Self:
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        self.received = number if first else self.received
        if not (first and self._deferred):
            raise SignalReceived(number)

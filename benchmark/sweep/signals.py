"""Signals that stop a sweep, from its first instant to its last."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Self

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """A context in which Ctrl-C, SIGTERM and SIGHUP raise `KeyboardInterrupt`.

    `number` keeps the last one: an exception can be swallowed by code that catches everything,
    such as an import, and `check` then raises it again. Signals that were ignored as the context
    was entered (`nohup`) stay ignored. Only to be entered in the main thread.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before = {number: signal.getsignal(number) for number in _STOPPING}

    def __enter__(self) -> Self:
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise `KeyboardInterrupt` when a signal has come."""
        if self.number is not None:
            raise KeyboardInterrupt

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        raise KeyboardInterrupt

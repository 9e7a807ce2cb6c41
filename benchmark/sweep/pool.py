"""Carrying out runs in processes of their own, several at a time, whatever becomes of them.

Processes are forked from a server that has imported torch once, so that each run starts at once,
has its own peak memory, and takes nobody along when it crashes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import cast

from benchmark.engine.callbacks import Options
from benchmark.sweep.progress import Event
from benchmark.sweep.status import Entry
from benchmark.sweep.worker import work

_GRACE = 10.0
"""Seconds a process gets to clean up after it was told to stop."""


def carry_out(entries: Sequence[Entry], options: Options, workers: int,
              threads: int | None = None, command_words: Sequence[str] = (),
              ) -> Generator[Event, None, None]:
    """Run every entry, `workers` at a time, and tell what happens.

    Each record names the command that makes its run alone, with `command_words` at its end.
    `threads` are torch's in each process. Closing the generator, for whatever reason, stops what is
    running; the same entries go on from their checkpoints.
    """
    waiting = deque(entries)
    running: dict[Connection, _Child] = {}
    with tempfile.TemporaryDirectory(prefix="lhlbench-sweep-") as folder:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    entry = waiting.popleft()
                    own = replace(options, command=entry.job.command(command_words))
                    child = _Child(entry, own, threads, Path(folder))
                    running[child.connection] = child
                for connection in wait(list(running)):
                    child = running[cast(Connection, connection)]
                    event = child.news()
                    if event.state != "running":
                        del running[child.connection]
                    yield event
        finally:
            for child in running.values():
                child.process.terminate()
            for child in running.values():
                child.end()


class _Child:
    """The process of one run."""

    def __init__(self, entry: Entry, options: Options, threads: int | None, folder: Path) -> None:
        self.entry, self._begun = entry, 0.0
        self._output = folder / f"{self.entry.run_id}.txt"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["benchmark.sweep.worker"])
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=work, daemon=True, name=self.entry.run_id,
            args=(theirs, entry.job, entry.resolved, options, threads, self._output))
        with _ignoring_interrupts():
            self.process.start()
        theirs.close()

    def news(self) -> Event:
        """What the process has to say, or how it died without a word."""
        try:
            state, share, where, reason = self.connection.recv()
            event = Event(self.entry, state, share, where, reason)
            self._begun = self._begun or time.monotonic()
        except (EOFError, OSError):
            event = Event(self.entry, "failed", reason=self._cause_of_death())
        if event.state != "running":
            self.end()
        return replace(event, seconds=time.monotonic() - self._begun if self._begun else 0.0)

    def end(self) -> None:
        """Wait for the process, and kill it when it takes too long."""
        self.process.join(_GRACE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()
        self._output.unlink(missing_ok=True)

    def _cause_of_death(self) -> str:
        self.process.join(_GRACE)
        code = self.process.exitcode
        cause = f"ended with exit code {code}"
        if code is not None and code < 0:
            cause = f"was ended by signal {-code} ({signal.strsignal(-code)})"
            if -code == signal.SIGKILL:
                cause += ", perhaps for want of memory"
        words = self._output.read_text(errors="replace").split("\n") if (
            self._output.exists()) else []
        last = next((line.strip() for line in reversed(words) if line.strip()), "")
        return (f"its process {cause}{f'; its last words: {last[:300]}' if last else ''}; "
                "running it again goes on from its last checkpoint")


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Processes started here are not stopped by Ctrl-C but by whoever started them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

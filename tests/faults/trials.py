"""Trials of a run under faults: each breaks something and requires the numbers of an undisturbed
run, or a clear error. Used in short by the tests beside, at length by `python -m tests.soak`."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from benchmark.conformance import Bench, require_equal
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import IMAGE, SPLITS, Store
from benchmark.engine import checkpoint
from benchmark.engine.callbacks import Callback
from benchmark.engine.execute import Outcome, execute, open_visible_store
from benchmark.engine.options import Options, Stopped
from benchmark.errors import Busy, LhlbenchError, RunError
from benchmark.record import RECORD_FILE, STATISTICS_FILE, Record, load_record
from benchmark.report.runs.collection import collect
from benchmark.report.submission.agreement import agreeing
from benchmark.report.submission.rederived import TOLERANCE


class Quiet(Callback):
    """Keeps warnings instead of printing them."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warns(self, message: str) -> None:
        self.warnings.append(message)


class Trials:
    """Trials of one method on a tiny sequence, with all files below `folder`."""

    def __init__(self, method: str, folder: Path, cache: Path, seed: int = 0) -> None:
        self.bench = Bench(method, folder, cache)
        self.random = random.Random(f"{method} {seed}")
        begin = time.monotonic()
        self.whole = self.bench.run()
        self.seconds = time.monotonic() - begin
        self._names = 0

    def options(self, **others) -> Options:
        """Options of a run in a folder of its own, which saves its state after every epoch."""
        self._names += 1
        return self.bench.options(f"trial {self._names}", checkpoint_seconds=0.0, **others)

    def resume(self, options: Options) -> Outcome:
        """Carry out the run as it stands, and require the numbers of the undisturbed one."""
        ended = execute(self.bench.plan(), options, Quiet())
        require_equal(ended, self.whole, "another result after a fault")
        return ended

    # -- processes that die ------------------------------------------------------------------

    def kills(self, count: int) -> int:
        """Kill the run at random instants, up to `count` times, until it ends; then resume it.
        Returns how often it was killed before its end."""
        options, killed = self.options(), 0
        for _ in range(count):
            child = self._child(options)
            time.sleep(self.random.uniform(0, self.seconds))
            os.kill(child, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
            if list(options.runs.glob(f"*/{RECORD_FILE}")):
                break
        self.resume(options)
        return killed

    def two_writers(self) -> None:
        """Two processes begin the same run: one is refused, the other is not disturbed."""
        options = self.options()
        children = [self._child(options), self._child(options)]
        codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
        assert codes in ([0, 0], [0, Busy.exit_code]), codes
        self.resume(options)

    def out_of_memory(self, mebibytes: int) -> bool:
        """The run with so little memory to spare; then without a limit. Whether it failed first."""
        options = self.options()
        child = self._child(options, mebibytes << 20)
        failed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
        for file in options.runs.glob(f"*/{RECORD_FILE}"):
            record = load_record(file)
            assert record.status == "complete" or "memory" in record.reason, record.reason
        self.resume(options)
        return failed

    def _child(self, options: Options, memory: int | None = None) -> int:
        """A process that carries out the run and leaves with its exit code."""
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            if memory is not None:
                used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf(
                    "SC_PAGE_SIZE")
                resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
            execute(self.bench.plan(), options, Quiet())
            code = 0
        except LhlbenchError as error:
            code = error.exit_code
        finally:
            os._exit(code)

    # -- writes that fail --------------------------------------------------------------------

    def failing_writes(self, first: int, step: int) -> int:
        """Let the `first`-th write, sync or rename fail, then one `step` further on, and so on
        until none does; each time the run is resumed. Returns how many failed."""
        at = first
        while True:
            options = self.options()
            try:
                with _failing(at):
                    execute(self.bench.plan(), options, Quiet())
            except RunError as error:
                assert "No space left" in str(error), error
            else:
                return (at - first) // step
            self.resume(options)
            shutil.rmtree(options.runs)
            at += step

    # -- losses that are not finite ----------------------------------------------------------

    def not_finite_terms(self, most: int | None = None) -> int:
        """Make each term of the second phase's loss NaN; the run must name it. Returns how many."""
        begun = self.options(stop_when=lambda *at: at == (1, 0))
        with contextlib.suppress(Stopped):
            execute(self.bench.plan(), begun, Quiet())
        kind = self.bench.method_class
        honest = kind.loss
        seen: list[str] = []

        def loss_of(broken: str) -> Callable:
            def loss(self, step):
                terms = honest(self, step)
                seen.extend(set(terms) - set(seen))
                return {name: term * float("nan") if name == broken else term
                        for name, term in terms.items()}
            return loss

        tried = 0
        while tried < (len(seen) or 1) and tried != most:
            broken = seen[tried] if seen else f"{self.bench.plan().config.tasks[1]}/new"
            options = replace(begun, runs=begun.runs.with_name(f"nan {tried}"),
                              stop_when=lambda phase, epoch: phase == 2)
            shutil.copytree(begun.runs, options.runs)
            plan = self.bench.plan()
            with mock.patch.object(plan.method, "loss", loss_of(broken)):
                try:
                    execute(plan, options, Quiet())
                except Stopped:
                    raise AssertionError(f"NaN in {broken} went unnoticed") from None
                except RunError as error:
                    for word in ("loss is nan in phase 2", *broken.split("/", 1)):
                        assert word in str(error), (broken, error)
            tried += 1
        return tried

    # -- files that change -------------------------------------------------------------------

    def changed_files(self, count: int) -> dict[str, int]:
        """Damage a file of an interrupted run, `count` times, and resume it. Returns how often the
        result was the undisturbed run's and how often a clear error."""
        left = self.options(stop_when=lambda *at: at == (2, 2))
        with contextlib.suppress(Stopped):
            execute(self.bench.plan(), left, Quiet())
        (folder,) = left.runs.iterdir()
        names = sorted(file.name for file in folder.iterdir() if file.name != ".lock")
        found = {"recovered": 0, "refused": 0}
        for _ in range(count):
            options = self.options()
            shutil.copytree(left.runs, options.runs)
            damaged = {self.random.choice(names), self.random.choice(names)}
            for name in damaged:
                damage(options.runs / folder.name / name, self.random)
            try:
                self.resume(options)
                found["recovered"] += 1
            except LhlbenchError:
                found["refused"] += 1
            shutil.rmtree(options.runs)
        return found

    def changed_records(self, count: int) -> dict[str, int]:
        """Damage record or statistics of the finished run, `count` times, and collect it: what is
        kept differs by no more than what validation takes for rounding."""
        found = {"as they were": 0, "left out": 0}
        for _ in range(count):
            runs = self.options().runs
            copied = runs / self.whole.folder.name
            copied.mkdir(parents=True)
            for name in (RECORD_FILE, STATISTICS_FILE):
                shutil.copy(self.whole.folder / name, copied / name)
            damage(copied / self.random.choice((RECORD_FILE, STATISTICS_FILE)), self.random)
            kept = agreeing(collect(runs), runs, runs / "notes").complete
            for run in kept:
                assert _flat(run.record) == pytest.approx(
                    _flat(self.whole.record), TOLERANCE, TOLERANCE, nan_ok=True)
            found["as they were" if kept else "left out"] += 1
            shutil.rmtree(runs)
        return found

    def changed_stores(self, count: int) -> dict[str, int]:
        """Damage a file of the data set or of what the cache knows of it, and open it."""
        found = {"as they were": 0, "refused": 0}
        plan, cache = self.bench.plan(), self.bench.cache
        sound = open_visible_store(plan, DataPaths(cache))
        expected = _content(sound)
        for _ in range(count):
            with tempfile.TemporaryDirectory(dir=self.bench.folder) as copied:
                for part in ("intact", str(sound.folder.relative_to(cache))):
                    shutil.copytree(cache / part, Path(copied) / part)
                files = sorted(file for file in Path(copied).rglob("*") if file.is_file()
                               and not file.name.endswith(".lock"))
                damage(self.random.choice(files), self.random)
                try:
                    opened = open_visible_store(plan, DataPaths(Path(copied)))
                    assert _content(opened) == expected
                    found["as they were"] += 1
                except LhlbenchError:
                    found["refused"] += 1
        return found


def damage(path: Path, source: random.Random) -> None:
    """Cut a file, flip a bit, clear, repeat or drop a part of it, or empty it."""
    content = bytearray(path.read_bytes())
    at = source.randrange(len(content) or 1)
    part = slice(at, at + source.choice((1, 8, 100)))
    kind = source.choice(("flip", "flip", "flip", "cut", "clear", "repeat", "drop", "empty"))
    if kind == "flip" and content:
        content[at] ^= 1 << source.randrange(8)
    elif kind == "cut":
        del content[at:]
    elif kind == "clear":
        content[part] = bytes(len(content[part]))
    elif kind == "repeat":
        content[at:at] = content[part]
    elif kind == "drop":
        del content[part]
    else:
        content.clear()
    path.write_bytes(content)


@contextlib.contextmanager
def _failing(at: int) -> Iterator[None]:
    """Within the context, the `at`-th write, sync or rename finds the disk full, counted from 1."""
    done = 0

    def full(function):
        def call(*arguments, **named):
            nonlocal done
            done += 1
            if done == at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return function(*arguments, **named)
        return call

    with contextlib.ExitStack() as patches:
        for owner, name in ((os, "fsync"), (Path, "write_bytes"), (checkpoint, "save_file"),
                            (np, "savez_compressed")):
            patches.enter_context(mock.patch.object(owner, name, full(getattr(owner, name))))
        replaced = Path.replace
        patches.enter_context(mock.patch.object(
            Path, "replace", lambda self, to: full(replaced)(self, to)))
        yield


def _flat(record: Record) -> dict[str, float]:
    """The values of a record's matrix by task, metric and phase; NaN where there is none."""
    return {f"{task} {metric} {phase}": np.nan if value is None else value
            for task, metrics in record.matrix.items() for metric, values in metrics.items()
            for phase, value in enumerate(values, 1)}


def _content(store: Store) -> tuple:
    """All that a run reads of a store."""
    arrays = [np.asarray(store.values(split, name, slice(None))).tobytes() for split in SPLITS
              for name in (IMAGE, *store.tasks)]
    tasks = {name: task.model_dump() for name, task in store.tasks.items()}
    return store.fingerprint, tasks, arrays

"""The state files of a run: when they are written, how many are kept, which one it goes on from.

    boundary.safetensors            state between two phases: network, method and results so far
    boundary.previous.safetensors   the same, one phase earlier
    inside.safetensors              state between two epochs of a phase
    inside.previous.safetensors     the same, as saved before

A file that cannot be used is named in a warning, and the one before it is used. The state inside a
phase stays until there is one inside the next, so that a run whose newest boundary is damaged loses
no more than what was trained between two saved states.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmark.engine import checkpoint
from benchmark.engine.callbacks import Callback
from benchmark.engine.options import Options, Stopped
from benchmark.errors import RunError

BOUNDARY_FILE = "boundary.safetensors"
INSIDE_FILE = "inside.safetensors"
_BEFORE = {BOUNDARY_FILE: "boundary.previous.safetensors",
           INSIDE_FILE: "inside.previous.safetensors"}

COST = 0.03
"""Most of the training time that goes into saving state inside phases."""
_LEAST_SECONDS = 1.0


class StateFiles:
    """Saves and loads the state of the run in `folder`, which gives the files their run id."""

    def __init__(self, folder: Path, device: torch.device, options: Options,
                 callback: Callback) -> None:
        self.folder, self.device = folder, device
        self.options, self.callback = options, callback
        self._saved_at = time.monotonic()
        self._cost = 0.0
        """Seconds that the last state inside a phase took to save."""
        self._unusable: set[Path] = set()

    def save_boundary(self, phase: int, state: dict[str, Any]) -> None:
        """Save the state after a phase, counted from 1.

        Raises `OSError` when it cannot be written, and `Stopped` where the options say so.
        """
        self._save(BOUNDARY_FILE, state)
        self._after_saving(phase, 0)

    def load_boundary(self) -> dict[str, Any] | None:
        """The state after the last phase that is done; None when none is.

        Raises `RunError` when files are there and none can be used.
        """
        faults: list[str] = []
        for path, state in self._usable(BOUNDARY_FILE, faults):
            self._warn(faults, f"going on from {path.name}")
            self._compare_threads(state)
            return state
        if faults:
            raise RunError(f"{'; '.join(faults)}; no state is left to go on from: put the run's "
                           "own files back, or start the run again with --overwrite")
        return None

    def save_inside(self, phase: int, epoch: int, state: Callable[[], dict[str, Any]]) -> None:
        """Save the state after an epoch of a phase, both counted from 1, where the time since the
        last saved state makes it worth its cost, or the run is to stop."""
        if self.options.stop.made or self._due():
            begin = time.monotonic()
            self._save(INSIDE_FILE, {"phase": phase, "epoch": epoch, "trainer": state()})
            self._cost = time.monotonic() - begin
            self._after_saving(phase, epoch)

    def load_inside(self, phase: int) -> dict[str, Any] | None:
        """The last state inside a phase; None when there is none that can be used."""
        faults: list[str] = []
        for path, state in self._usable(INSIDE_FILE, faults):
            if state["phase"] == phase:
                self._warn(faults, f"going on from {path.name}, after epoch {state['epoch']} of "
                           f"phase {phase}")
                self._compare_threads(state)
                found: dict[str, Any] = state["trainer"]
                return found
        self._warn(faults, f"phase {phase} begins again")
        return None

    def finish(self) -> None:
        """Remove all but the state after the last phase."""
        for name in (*_BEFORE.values(), INSIDE_FILE):
            (self.folder / name).unlink(missing_ok=True)

    def _due(self) -> bool:
        least = self.options.checkpoint_seconds
        if least is None:
            least = max(_LEAST_SECONDS, self._cost / COST)
        return time.monotonic() - self._saved_at >= least

    def _save(self, name: str, state: dict[str, Any]) -> None:
        path = self.folder / name
        before = None if path in self._unusable else self.folder / _BEFORE[name]
        checkpoint.save_state(path, {**state, "threads": torch.get_num_threads()},
                              self.folder.name, before=before)
        self._unusable.discard(path)

    def _usable(self, name: str, faults: list[str]) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The states of a file and of the one before, newest first; those that cannot be used are
        left out, with the reason in `faults`."""
        for path in (self.folder / name, self.folder / _BEFORE[name]):
            if path.exists():
                try:
                    yield path, checkpoint.load_state(path, self.device, self.folder.name)
                except checkpoint.Unusable as error:
                    self._unusable.add(path)
                    faults.append(str(error))

    def _warn(self, faults: list[str], consequence: str) -> None:
        if faults:
            self.callback.warns(f"{'; '.join(faults)}; {consequence}")

    def _compare_threads(self, state: dict[str, Any]) -> None:
        """Sums on the CPU are split by threads, so their last bits depend on the number."""
        now = torch.get_num_threads()
        if self.device.type == "cpu" and state["threads"] != now:
            self.callback.warns(f"the run was begun with {state['threads']} threads and goes on "
                                f"with {now}: its numbers may differ in their last digits from "
                                f"those of an uninterrupted one; OMP_NUM_THREADS={state['threads']}"
                                " keeps them")

    def _after_saving(self, phase: int, epoch: int) -> None:
        self._saved_at = time.monotonic()
        if self.options.stop.made or self.options.stop_when(phase, epoch):
            raise Stopped(f"left off in phase {phase} after epoch {epoch}" if epoch
                          else f"left off after phase {phase}")

"""Runs without a record: interrupted ones, and those under way. Reads them without torch."""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmark.record import CONFIG_FILE, LOCK_FILE, LOG_FILE, RECORD_FILE


@dataclass(frozen=True)
class UnfinishedRun:
    """A folder that a run has begun to fill; what cannot be read of it is empty or None."""

    folder: Path
    running: bool
    """Whether a process of this machine holds its lock."""
    method: str
    sequence: str
    seed: int | None
    position: str
    """The last epoch that was trained, such as `phase 2, epoch 3`."""

    @property
    def reason(self) -> str:
        """Why there is no record."""
        where = f"after {self.position}" if self.position else "in phase 1, epoch 1"
        if self.running:
            return f"under way, {where}"
        return f"interrupted or killed {where}; the same command goes on from its last saved state"


def unfinished_runs(runs: Path) -> list[UnfinishedRun]:
    """The folders directly below `runs` with a configuration and no record, sorted by name."""
    return [_unfinished(file.parent) for file in sorted(runs.glob(f"*/{CONFIG_FILE}"))
            if not (file.parent / RECORD_FILE).exists()]


def is_running(folder: Path) -> bool:
    """Whether a process of this machine carries out the run in `folder`."""
    try:
        with open(folder / LOCK_FILE, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _unfinished(folder: Path) -> UnfinishedRun:
    try:
        config = yaml.safe_load((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        config = None
    config = config if isinstance(config, dict) else {}
    seed = config.get("seed")
    return UnfinishedRun(folder, is_running(folder), str(config.get("method", "")),
                         str(config.get("sequence", "")), seed if isinstance(seed, int) else None,
                         _position(folder / LOG_FILE))


def _position(log: Path) -> str:
    """The last line of a log that can be read."""
    lines = log.read_bytes().splitlines() if log.is_file() else []
    for line in reversed(lines):
        try:
            entry = json.loads(line)
            return f"phase {int(entry['phase'])}, epoch {int(entry['epoch'])}"
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return ""

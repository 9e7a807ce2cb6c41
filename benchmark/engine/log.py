"""The log of a run: one JSON line per epoch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmark.engine.trainer import EpochReport
from benchmark.files import write_text


def append(path: Path, report: EpochReport) -> None:
    """Add the line of an epoch."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(report), allow_nan=False) + "\n")


def trim(path: Path, phase: int, epochs_done: int) -> None:
    """Forget epochs that were not saved and will be trained again, and all that follows a line
    that cannot be read, such as the last one of a process that was killed while writing it."""
    kept = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
            if (entry["phase"], entry["epoch"]) <= (phase, epochs_done):
                kept.append(line.decode() + "\n")
        except (ValueError, TypeError, KeyError):
            break
    write_text(path, "".join(kept))

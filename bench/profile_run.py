"""Where the wall time of `lhlbench run` goes, from starting Python to the end of the process.

    python bench/profile_run.py

For every method, a process of its own carries out `lhlbench run` with the functions of its parts
timed; each moment counts for the innermost one. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROWS = {"start": "start of Python, imports", "plan": "plan, store, network, preparing phases",
        "data": "batches", "forward": "forward passes", "losses": "losses",
        "backward": "backward passes", "optimiser": "optimiser",
        "bookkeeping": "rest of the training loop", "end_phase": "what the method keeps of a phase",
        "evaluation": "evaluation", "previews": "previews: predicted, kept, drawn",
        "records": "records, checkpoints, logs", "rest": "rest of the command",
        "exit": "exit of Python"}


def profile(words: list[str], started: float) -> dict[str, float]:
    """Seconds of every part of a run in this process, which was started at `started`."""
    # What `lhlbench run` imports counts as its start.
    import torch
    from torch.optim.lr_scheduler import LRScheduler

    from benchmark.cli import matrix, progress
    from benchmark.cli.app import invoke
    from benchmark.data.store.files import Store
    from benchmark.engine import checkpoint, environment, execute, plan, protocol
    from benchmark.engine.evaluate import Evaluator
    from benchmark.engine.previews import Previews
    from benchmark.engine.trainer import PhaseTrainer
    from benchmark.record import Record
    from benchmark.speed.stopwatch import STEP_PATH, Stopwatch, own_path, patched

    assert matrix and Store
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    watch = Stopwatch(device)
    patched_classes: set[tuple[type, str]] = set()
    path = [(owner, name, "bookkeeping" if part == "rest" else part)
            for owner, name, part in STEP_PATH]
    others = [(environment, "make_fabric", "start"), (plan, "make_plan", "plan"),
              (execute, "open_visible_store", "plan"),
              (protocol.LifelongRun, "__init__", "plan"),
              (protocol.LifelongRun, "begin_phase", "plan"),
              (protocol.LifelongRun, "close_phase", "end_phase"),
              (protocol.LifelongRun, "make_record", "records"),
              (PhaseTrainer, "train_epoch", "bookkeeping"),
              (Evaluator, "statistics", "evaluation"),
              (Previews, "take", "previews"), (Previews, "save", "previews"),
              (Previews, "draw", "previews"), (Record, "save", "records"),
              (protocol, "save_statistics", "records"), (checkpoint, "save_state", "records")]

    def watching(begins: Any) -> Any:
        def phase_begins(display: Any, number: int, phases: int, trainer: PhaseTrainer) -> None:
            begins(display, number, phases, trainer)
            for owner, name, part in own_path(trainer):
                # A schedule's attributes are its state, which is saved: its class is patched.
                place = type(owner) if isinstance(owner, LRScheduler) else owner
                if (place, name) not in patched_classes:
                    setattr(place, name, watch.timed(part, getattr(place, name)))
                if place is not owner:
                    patched_classes.add((place, name))
        return phase_begins

    def whole_epoch(take_steps: Any) -> Any:
        return watch.timed_iterator("data", take_steps)

    replaced = [(PhaseTrainer, "take_steps", whole_epoch(PhaseTrainer.take_steps)),
                *((kind, "phase_begins", watching(kind.phase_begins))
                  for kind in (progress.RunLines, progress.RunBars))]
    watch.seconds["start"] = time.time() - started
    with (watch.part("rest"), watch.on((*path, *others)), patched(replaced),
          contextlib.redirect_stdout(io.StringIO())):
        code = invoke(words)
    if code:
        sys.exit(code)
    return watch.seconds


def measured(words: list[str]) -> dict[str, float]:
    """Seconds of every part of a run in a process of its own."""
    begin = time.time()
    command = [sys.executable, __file__, "--inside", str(begin), *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    whole = time.time() - begin
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    found["exit"] = whole - sum(found.values())
    return found


def table(found: dict[str, dict[str, float]]) -> Iterator[str]:
    """Lines of the table: a row per part, seconds and share of the whole for every run."""
    yield f"| part | {' | '.join(f'{name} s | %' for name in found)} |"
    yield "|---|" + "---:|---:|" * len(found)
    wholes = {name: sum(parts.values()) for name, parts in found.items()}
    for key, label in ROWS.items():
        cells = [f"{parts.get(key, 0.0):.2f} | {100 * parts.get(key, 0.0) / wholes[name]:.0f}"
                 for name, parts in found.items()]
        yield f"| {label} | {' | '.join(cells)} |"
    yield f"| all | {' | '.join(f'{whole:.2f} | 100' for whole in wholes.values())} |"


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--inside"]:
        print(json.dumps(profile(sys.argv[3:], float(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="finetune,had", help="names with commas")
    parser.add_argument("--sequence", default="rooms_s1")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for method in chosen.methods.split(","):
            words = ["run", "--method", method, "--sequence", chosen.sequence, "--runs",
                     str(Path(folder)), "--device", chosen.device]
            words += [word for setting in chosen.set for word in ("--set", setting)]
            print(f"lhlbench {shlex.join(words)}", file=sys.stderr)
            found[method] = measured(words)
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()

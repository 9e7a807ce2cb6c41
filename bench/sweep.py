"""What a sweep costs: its share of the time, two workers against one, and 10,000 planned runs.

`python bench/sweep.py` prints all three; it takes a few minutes on a quiet machine of two cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from benchmark.data.sources.source import DataPaths, default_cache
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.engine.plan import make_plan
from benchmark.record import load_record
from benchmark.sweep.jobs import run_requests
from benchmark.sweep.launchers.local import LocalLauncher
from benchmark.sweep.schedule import Sweep
from benchmark.sweep.status import plan_runs

TINY = ("dataset.train=24", "dataset.eval=6", "dataset.height=24", "dataset.width=32")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4, help="runs of each sweep")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of each run")
    parser.add_argument("--pairs", type=int, default=3, help="repetitions, interleaved")
    given = parser.parse_args()
    overhead, speedup = [], []
    for _ in range(given.pairs):
        one, trained = swept(given.runs, given.epochs, 1)
        two, _ = swept(given.runs, given.epochs, 2)
        plain = in_turn(given.runs, given.epochs)
        overhead.append(one / plain - 1)
        speedup.append(one / two)
        print(f"{given.runs} runs: {plain:.1f} s one after the other in a process that has "
              f"imported all, {one:.1f} s swept by one worker, {two:.1f} s by two; "
              f"{trained:.1f} s of training and evaluation", flush=True)
    print(f"overhead of the sweep: {100 * median(overhead):.1f} % of the runs' time (median of "
          f"{given.pairs})")
    print(f"two workers: {median(speedup):.2f} times one")
    runs_listed, seconds = listed()
    print(f"{runs_listed:,} planned runs listed in {seconds:.1f} s by lhlbench sweep --dry-run")


def requests(runs: int, epochs: int) -> list:
    """Runs of one method that differ in their seed, long enough to be worth a process."""
    return run_requests("finetune", "rooms_s1", f"0-{runs - 1}", [f"recipe.epochs={epochs}"])


def swept(runs: int, epochs: int, workers: int) -> tuple[float, float]:
    """Seconds from the start of a sweep to the last record, and those of training alone."""
    with tempfile.TemporaryDirectory() as folder:
        options = Options(Path(folder), DataPaths(default_cache()), "cpu")
        planned = plan_runs(requests(runs, epochs), options)
        begin = time.perf_counter()
        events = Sweep(options).run_all(planned, LocalLauncher([None] * workers, threads=1))
        assert sum(event.state == "done" for event in events) == runs
        seconds = time.perf_counter() - begin
        phases = [phase for run in planned for phase in load_record(run.folder).phases]
        return seconds, sum(phase.train_seconds + phase.eval_seconds for phase in phases)


def in_turn(runs: int, epochs: int) -> float:
    """Seconds of the same runs, one after the other in this process."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        options = Options(Path(folder), DataPaths(default_cache()), "cpu")
        begin = time.perf_counter()
        for request in requests(runs, epochs):
            execute(make_plan(request), options)
        return time.perf_counter() - begin


def listed() -> tuple[int, float]:
    """How many runs of all methods, 6 sequences and 62 seeds `lhlbench sweep --dry-run` lists, and
    its seconds."""
    settings = [word for setting in TINY for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmark", "sweep", "--methods", "*", "--sequences",
                   "rooms_s*", *settings, "--runs", folder, "--dry-run", "--seeds"]
        subprocess.run([*command, "0"], check=True, capture_output=True)  # renders the data
        begin = time.perf_counter()
        listed = subprocess.run([*command, "0-61"], check=True, capture_output=True)
        seconds = time.perf_counter() - begin
    return len(listed.stdout.splitlines()), seconds


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

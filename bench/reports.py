"""How long reports over a thousand records take, from the start of the process.

    python bench/reports.py

20 methods, 5 orders, 10 seeds: noisy copies of a published record, each with its statistics, in a
temporary folder. Every command runs three times, and the fastest is printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmark.record import STATISTICS_FILE, Record, load_record

PUBLISHED = Path(__file__).parents[1] / "results/published/rooms_s1"
METHODS = ("finetune", "joint", "separate", *(f"method{number}" for number in range(17)))
ORDERS, SEEDS, ROUNDS = 5, 10, 3


def write_records(runs: Path) -> int:
    """Records of every method, order and seed below `runs`; how many they are.

    All orders hold the tasks in the order of the copied record, which takes the same time.
    """
    numbers = np.random.default_rng(0)
    template = min(PUBLISHED.glob("finetune-*-seed0-*"))
    record = load_record(template)
    for method in METHODS:
        for order in range(1, ORDERS + 1):
            for seed in range(SEEDS):
                made = copy(record, method, f"rooms_s{order}", seed, numbers)
                made.save(runs / made.run_id)
                shutil.copy(template / STATISTICS_FILE, runs / made.run_id)
    return len(METHODS) * ORDERS * SEEDS


def copy(record: Record, method: str, sequence: str, seed: int,
         numbers: np.random.Generator) -> Record:
    """`record` as if `method` had left it, with values a few per cent off."""
    kind = "bound" if method in ("joint", "separate") else "lifelong"
    matrix = {task: {metric: tuple(None if value is None else value * numbers.normal(1, 0.02)
                                   for value in values) for metric, values in rows.items()}
              for task, rows in record.matrix.items()}
    return record.model_copy(update={
        "run_id": f"{method}-{sequence}-seed{seed}-{numbers.bytes(5).hex()}", "matrix": matrix,
        "method": record.method.model_copy(update={"name": method, "kind": kind}),
        "sequence": sequence, "seed": seed,
        "config": record.config | {"method": method, "sequence": sequence, "seed": seed}})


def measure(runs: Path, *words: str) -> None:
    """Print how long `lhlbench` takes, start of the process included: the fastest of a few runs.

    Seconds of the processor are what it would take where nothing else runs.
    """
    command = [sys.executable, "-m", "benchmark", *words, "--runs", str(runs), "--no-published"]
    taken = []
    for _ in range(ROUNDS):
        begin, before = time.perf_counter(), os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                       env=os.environ | {"OMP_NUM_THREADS": "1"})
        after = os.times()
        taken.append((time.perf_counter() - begin,
                      after.children_user - before.children_user
                      + after.children_system - before.children_system))
    wall, processor = map(min, zip(*taken, strict=True))
    print(f"{' '.join(words):16} {wall:5.2f} s, {processor:.2f} s of the processor")


def table(runs: Path) -> None:
    """Tables of every sequence, of the family, and of the costs."""
    measure(runs, "table")
    measure(runs, "table", "--orders")
    measure(runs, "table", "--costs")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        print(f"{write_records(runs)} records")
        table(runs)


if __name__ == "__main__":
    main()

"""The fault trials at length: `python -m tests.soak [kills] [files]`, in some ten minutes each.

kills   every method killed at random instants, short of memory, with NaN in every term
files   writes that fail, two writers, and damaged files of runs, records, data sets and caches
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

from benchmark.registry import method_names
from tests.faults.trials import Trials

KILLS = 7
"""Of each method, at least."""
WITH_STATE = ("er", "had", "si", "separate")
"""Methods whose state holds exemplars, a network, importances, whole backbones."""
CHANGED_RUNS, CHANGED_RECORDS, CHANGED_STORES, WRITERS = 60, 60, 40, 3
"""Of each of these methods."""


def kills(folder: Path, cache: Path) -> Counter[str]:
    """Counts of what every method went through."""
    found: Counter[str] = Counter()
    for name in method_names():
        trials = Trials(name, folder / name, cache)
        killed = 0
        while killed < KILLS:
            killed += trials.kills(KILLS)
        found["kills"] += killed
        found["terms that were NaN"] += trials.not_finite_terms()
        if name in WITH_STATE:
            found["short of memory, failed"] += sum(map(trials.out_of_memory, (4, 16, 64, 256)))
        print(f"{name}: {dict(found)}", flush=True)
    return found


def files(folder: Path, cache: Path) -> Counter[str]:
    """Counts of what files of some methods went through."""
    found: Counter[str] = Counter()
    for name in WITH_STATE:
        trials = Trials(name, folder / name, cache)
        for what, changed in (("run", trials.changed_files(CHANGED_RUNS)),
                              ("record", trials.changed_records(CHANGED_RECORDS)),
                              ("data", trials.changed_stores(CHANGED_STORES))):
            found.update({f"{what} {outcome}": count for outcome, count in changed.items()})
        for _ in range(WRITERS):
            trials.two_writers()
        found["pairs of writers"] += WRITERS
        print(f"{name}: {dict(found)}", flush=True)
    found["writes that failed"] = trials.failing_writes(1, 1)
    return found


PARTS = {"kills": kills, "files": files}


def main(words: list[str]) -> None:
    """Run the parts named, or all, and print what they went through; a wrong number raises."""
    torch.set_num_threads(1)
    for part in words or PARTS:
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="lhlbench-soak-") as folder:
            os.environ["LHLBENCH_CACHE"] = f"{folder}/cache"
            for name in method_names():
                (Path(folder) / name).mkdir()
            counts = PARTS[part](Path(folder), Path(folder) / "cache")
        print(f"{part}: {', '.join(f'{count} {what}' for what, count in counts.items())}; "
              f"no wrong number, in {time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

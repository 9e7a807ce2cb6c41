"""What saving state costs a run: `python -m bench.checkpoint_cost [METHOD [KEY=VALUE...]]`.

Prints how often state was saved, its size, and the seconds that took beside those of training.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmark.data.sources.source import DataPaths, default_cache
from benchmark.engine import checkpoint
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest


def main(method: str = "had", *settings: str) -> None:
    """Run a method on rooms_s1 with saving timed, and print what it took."""
    save, saved = checkpoint.save_state, list[tuple[str, float, int]]()

    def timed(path, *state, **places):
        begin = time.perf_counter()
        save(path, *state, **places)
        saved.append((path.stem, time.perf_counter() - begin, path.stat().st_size))

    checkpoint.save_state = timed
    with tempfile.TemporaryDirectory() as folder:
        record = execute(make_plan(RunRequest(method, "rooms_s1", settings=settings)),
                         Options(Path(folder), DataPaths(default_cache()))).record
    trained = sum(info.train_seconds for info in record.phases)
    epochs = sum(info.epochs for info in record.phases)
    print(f"{epochs} epochs of {trained / epochs:.2f} s")
    for name in ("inside", "boundary"):
        times = [(seconds, size) for kind, seconds, size in saved if kind == name]
        if times:
            spent = sum(seconds for seconds, _ in times)
            print(f"{name}: saved {len(times)} times, {times[-1][1] / 2**20:.1f} MiB, "
                  f"{1000 * spent / len(times):.0f} ms each, {100 * spent / trained:.2f} % of "
                  f"{trained:.1f} s of training")


if __name__ == "__main__":
    main(*sys.argv[1:])

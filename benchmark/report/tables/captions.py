"""What every table says about how its numbers came about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.record import Record
from benchmark.report.runs.grid import Grid
from benchmark.report.tables.table import Column

CONVENTIONS = {
    "pixel": "pixel convention (one sum over all valid pixels)",
    "image": "image convention (mean over images)",
}


def caption(grid: Grid, convention: str, runs: str, about: Sequence[str],
            columns: Sequence[Column], whole: bool) -> str:
    """Data, epoch, convention, runs, scores and ranks of a table, in full sentences.

    `runs` says over what means are taken, `about` what the scores mean; `whole` tables rank.
    """
    record = grid.record
    batch = f"batch convention (mean over batches of {convention[6:]}; segmentation pooled)"
    lines = [
        f"Metrics on all {record.dataset.eval_images} evaluation images of "
        f"{record.dataset.name} ({record.dataset.fingerprint[:12]}) after the last epoch of the "
        f"last phase, {CONVENTIONS.get(convention, batch)}.",
        runs, *about]
    keys = [column.key for column in columns]
    if not whole:
        lines.append("Runs are missing, so nothing is ranked.")
    elif "rank" in keys:
        methods = sum(not line.bound for line in grid.lines)
        lines.append(f"Mean rank: among the {_count(methods, 'lifelong method')} shown, bounds "
                     "left out.")
    devices = sorted({_device(found.record) for line in grid.lines for found in line.runs.values()})
    if "train" in keys and len(devices) > 1:
        lines.append(f"Training times come from different devices: {', '.join(devices)}.")
    return " ".join(lines)


def of_one_order(grid: Grid) -> str:
    """Over which runs the means of a table of one sequence are taken."""
    seeds = grid.seeds
    how = "Mean ± sample standard deviation over" if len(seeds) > 1 else "Values of"
    return (f"{how} {_count(len(seeds), 'seed')} ({_listed(seeds)}) of 1 order "
            f"({_listed(task.name for task in grid.record.tasks)}).")


def of_orders(grid: Grid, spread: bool = True) -> str:
    """Over which runs the means of a table of a family are taken, and what the brackets are.

    `spread`: whether there are columns of single orders too.
    """
    orders, seeds = grid.sequences, grid.seeds
    tasks = _listed(sorted(task.name for task in grid.record.tasks))
    lines = [f"{_count(len(orders), 'order')} ({_listed(orders)}) of the tasks {tasks}, "
             f"{_count(len(seeds), 'seed')} ({_listed(seeds)})."]
    if spread and len(seeds) > 1:
        lines.append("Of one order: mean ± sample standard deviation over seeds.")
    if len(seeds) > 1:
        lines.append("Over orders: mean over orders of the mean over seeds, in brackets its 95 % "
                     "bootstrap interval, seeds drawn anew within each order.")
    else:
        lines.append("Over orders: the mean of one seed each, which has no interval.")
    return " ".join(lines)


def _device(record: Record) -> str:
    told = (record.environment.get(key) for key in ("device_name", "device"))
    return next((str(name) for name in told if name), "an unnamed device")


def _listed(things: Iterable[object]) -> str:
    return ", ".join(map(str, things))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""What every table says about how its numbers came about."""

from __future__ import annotations

from benchmark.record import Record
from benchmark.report.groups import Group

CONVENTIONS = {
    "pixel": "pixel convention (one sum over all valid pixels)",
    "image": "image convention (mean over images)",
}


def caption(group: Group, baseline: str, convention: str, ranked: bool) -> str:
    """Convention, epoch, baseline, seeds and order of a table, in full sentences."""
    record, seeds = group.record, group.seeds
    batch = f"batch convention (mean over batches of {convention[6:]}; segmentation pooled)"
    tasks = ", ".join(task.name for task in record.tasks)
    listed = ", ".join(map(str, seeds))
    lines = [
        f"Metrics on all {record.dataset.eval_images} evaluation images of "
        f"{record.dataset.name} ({record.dataset.fingerprint[:12]}) after the last epoch of the "
        f"last phase, {CONVENTIONS.get(convention, batch)}.",
        f"{'Mean ± sample standard deviation over' if len(seeds) > 1 else 'Values of'} "
        f"{_count(len(seeds), 'seed')} ({listed}) of 1 order ({tasks}).",
        f"Δ: mean gain over {baseline} of the same sequence and seed, over all metrics "
        "of a task, then tasks; positive is better.",
        "Forgetting and BWT: of primary metrics, relative to the best and to the just learnt "
        "value, mean over earlier tasks.",
        _ranks(group, ranked),
    ]
    devices = sorted({_device(found.record) for line in group.lines
                      for found in line.runs.values()})
    if len(devices) > 1:
        lines.append(f"Training times come from different devices: {', '.join(devices)}.")
    return " ".join(lines)


def _device(record: Record) -> str:
    told = (record.environment.get(key) for key in ("device_name", "device"))
    return next((str(name) for name in told if name), "an unnamed device")


def _ranks(group: Group, ranked: bool) -> str:
    if not ranked:
        return "Runs are missing, so nothing is ranked."
    count = sum(not line.bound for line in group.lines)
    return f"Mean rank: among the {_count(count, 'lifelong method')} shown, bounds left out."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

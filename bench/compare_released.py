"""The authors' code of HAD and method `had_released`, on the same images, weights and schedule.

    python bench/compare_released.py --released DIR

DIR is a checkout of github.com/Deexaa/HAD with its requirements installed. Its code runs as it is
(see bench/released/authors.py), in fp32, in a process of its own; so does ours. Both take steps,
then whole runs, in turns, each first in every other pair. Then one run of each without dropout, the
one thing that is random, shows how far losses and metrics agree. Images are rendered rooms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from bench.released.authors import FILES
from bench.released.job import Job, prepare
from bench.released.sides import Side
from benchmark.errors import LhlbenchError, RequestError
from benchmark.speed.pairs import Pairs, measure_pairs

PARTS = ("data", "forward", "teacher", "losses", "backward", "optimiser", "rest")
"""Of a step. Ours counts a teacher's live passes in forward; here its outputs are cached."""
RATIO_HEADINGS = ("", "released", "ours", "released / ours", "quartiles", "pairs")
_WARM_UP = 1


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The options. Raises `RequestError` for a value that cannot be measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--released", type=Path, required=True, metavar="DIR")
    parser.add_argument("--size", default="96x128", help="height and width of the images")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tasks", type=int, choices=(3, 11), default=3,
                        help="11: only steps of the last phase, with ten old tasks")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32",
                        help="of our side")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--backbone", choices=("resnet18", "resnet50"), default="resnet18")
    parser.add_argument("--pairs", type=int, default=10,
                        help="pairs of steps in each phase; 0: no steps")
    parser.add_argument("--runs", type=int, default=3,
                        help="pairs of whole runs of three tasks; 0: none, and no agreement")
    parser.add_argument("--epochs", type=int, default=2, help="per phase of the whole runs")
    parser.add_argument("--steps-per-epoch", type=int, default=4)
    chosen = parser.parse_args(words)
    for name, least in (("batch", 2), ("pairs", 0), ("runs", 0), ("epochs", 1),
                        ("steps_per_epoch", 1)):
        if getattr(chosen, name) < least:
            raise RequestError(f"--{name.replace('_', '-')} {getattr(chosen, name)}: at least "
                               f"{least}")
    height, _, width = chosen.size.partition("x")
    if not (height.isdecimal() and width.isdecimal() and min(int(height), int(width)) >= 32):
        raise RequestError(f"--size {chosen.size}: height and width such as 96x128, each at least "
                           "32")
    chosen.size = int(height), int(width)
    for file in FILES:
        if not (chosen.released / file).is_file():
            raise RequestError(f"--released {chosen.released}: there is no {file}; name a checkout "
                               "of github.com/Deexaa/HAD")
    if chosen.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("--device cuda: torch sees no CUDA device here")
    return chosen


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))


def ratio_row(label: str, pairs: Pairs, unit: str) -> list[str]:
    """Medians of both sides and the ratios of what was measured in turns; `first` is the released
    code. `unit` is s or ms."""
    theirs, ours = (f"{seconds * (1e3 if unit == 'ms' else 1):.{0 if unit == 'ms' else 1}f} {unit}"
                    for seconds in pairs.medians)
    low, high = pairs.quartiles
    return [label, theirs, ours, f"{pairs.ratio:.2f}", f"{low:.2f} to {high:.2f}",
            str(len(pairs.ratios))]


def loss_rows(theirs: Sequence[Sequence[Mapping[str, float]]],
              ours: Sequence[Sequence[Mapping[str, float]]]) -> list[list[str]]:
    """A row for each phase and term: its first values, their relative difference, and the largest
    one of any step. Raises `ValueError` where steps or terms differ."""
    rows = []
    for phase, (those, own) in enumerate(zip(theirs, ours, strict=True), 1):
        steps = list(zip(those, own, strict=True))
        for term in those[0]:
            apart = [abs(one[term] - other[term]) / max(abs(one[term]), 1e-12)
                     for one, other in steps]
            rows.append([f"{phase} {term}", f"{those[0][term]:.6f}", f"{own[0][term]:.6f}",
                         f"{apart[0]:.1e}", f"{max(apart):.1e}"])
        if any(set(one) != set(other) for one, other in steps):
            raise ValueError(f"phase {phase}: the terms of the losses differ")
    return rows


def metric_rows(theirs: Mapping[str, float], ours: Mapping[str, float]) -> list[list[str]]:
    """A row for each metric that the released code computes."""
    return [[name, f"{value:.4f}", f"{ours[name]:.4f}"] for name, value in theirs.items()]


def part_rows(theirs: Sequence[Mapping[str, float]],
              ours: Sequence[Mapping[str, float]]) -> list[list[str]]:
    """A row for each part of a step: median milliseconds of both sides."""
    def median(steps: Sequence[Mapping[str, float]], part: str) -> str:
        return f"{1e3 * statistics.median(step.get(part, 0.0) for step in steps):.0f}"
    return [[part, median(theirs, part), median(ours, part)] for part in PARTS]


def compare_steps(job: Job, pairs: int) -> None:
    """Measure and print steps: of each phase, or with more than three tasks of the last alone."""
    table, parts = [], ([], [])
    with Side("authors", job) as theirs, Side("harness", job) as ours:
        for phase in range(1, job.tasks + 1):
            theirs.ask("phase", phase)
            ours.ask("phase", phase)
            if job.tasks == 3 or phase == job.tasks:
                steps = measure_pairs(theirs.seconds, ours.seconds, pairs, _WARM_UP)
                table.append(ratio_row(f"step of phase {phase}", steps, "ms"))
        for _ in range(max(5, pairs)):
            for found, side in zip(parts, (theirs, ours), strict=True):
                found.append(side.ask("parts"))
    print(markdown(RATIO_HEADINGS, table))
    print(f"\nParts of a step of phase {job.tasks}, ms:\n")
    print(markdown(("", "released", "ours"), part_rows(*parts)), flush=True)


def compare_runs(job: Job, runs: int) -> None:
    """Measure whole runs, imports not included, and print how far losses and metrics agree."""
    with Side("authors", job) as theirs, Side("harness", job) as ours:
        recorded = theirs.ask("run", True), ours.ask("run", True)
        whole = measure_pairs(theirs.run_seconds, ours.run_seconds, runs)
    print(f"\nRuns of {job.tasks} phases of {job.epochs} epochs of {job.steps_per_epoch} steps:\n")
    print(markdown(RATIO_HEADINGS, [ratio_row("whole run", whole, "s")]))
    print("\nWithout dropout, losses at the first step of each phase:\n")
    print(markdown(("phase, term", "released", "ours", "relative difference",
                    "largest of all steps"),
                   loss_rows(recorded[0]["losses"], recorded[1]["losses"])))
    print("\nMetrics after the last phase:\n")
    print(markdown(("", "released", "ours"),
                   metric_rows(recorded[0]["metrics"], recorded[1]["metrics"])))


def main(words: Sequence[str]) -> int:
    """Compare as asked; the exit code."""
    try:
        chosen = parse(words)
        with tempfile.TemporaryDirectory(prefix="compare-released-") as folder:
            job = Job(Path(folder), chosen.released.resolve(), chosen.size, chosen.batch,
                      chosen.tasks, chosen.steps_per_epoch, chosen.epochs, chosen.precision,
                      chosen.device, chosen.backbone)
            prepare(job)
            print(f"{job.backbone}, {job.size[0]}x{job.size[1]}, batch {job.batch}, {job.tasks} "
                  f"tasks; released fp32, ours {job.precision}; {job.device}, "
                  f"{torch.get_num_threads()} threads, torch {torch.__version__}\n", flush=True)
            if chosen.pairs:
                compare_steps(job, chosen.pairs)
            if chosen.runs and job.tasks == 3:
                compare_runs(job, chosen.runs)
    except LhlbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`lhlbench compare`: is one method better than another?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmark.cli.collecting import collected
from benchmark.cli.output import print_json
from benchmark.errors import RequestError
from benchmark.report.comparison import Comparison, Measure, compare, split
from benchmark.statistics import ALPHA, runs_needed, smallest_p

NOTHING = "—"
ENOUGH_SEEDS = 10
"""With fewer, bootstrap intervals hold the truth clearly less often than they say."""


def compare_command(names: Sequence[str], sequences: str, baseline: str, metric: str,
                    convention: str, runs: Path, no_published: bool, as_json: bool) -> None:
    """Print the verdict of each comparison, what it rests on, and which runs are missing."""
    *ours, last = (split(name) for name in names)
    methods = [name for each in ours for name in each]
    if not methods or not last:
        raise RequestError("compare takes two methods or more: lhlbench compare had lwf, or "
                           "had,ewc lwf, or had '*'")
    measure = Measure(metric, baseline, convention)
    found, notes = compare(collected(runs, no_published), methods, last, sequences.split(","),
                           measure)
    if as_json:
        print_json({"metric": metric, "baseline": baseline if metric == "delta" else None,
                    "convention": convention, "notes": notes,
                    "comparisons": [_content(each) for each in found]})
    else:
        _print(found, notes)


def sentence(found: Comparison) -> str:
    """The verdict in words that claim no more than the test shows."""
    both, where = f"{found.method} and {found.other}", f"on {found.grid}"
    if found.p is None:
        return (f"{both} cannot be compared {where}: no two runs of the same order and seed have "
                f"a {found.quantity}.")
    pairs = len(found.differences)
    if found.verdict == "equal":
        return f"{both} are equal {where}, in each of {_count(pairs, 'paired run')}."
    size = f"{_gain(found, abs(found.mean)).removeprefix('+')} {found.unit}"
    ahead = sum(each * found.mean > 0 for each in found.differences.values())
    shown = f"{size} of {found.quantity} in the mean, in {ahead} of {_count(pairs, 'paired run')}"
    if found.verdict != "undecided":
        return (f"{found.method} is {found.verdict} than {found.other} {where}: by {shown} "
                f"({_p(found)}).")
    side = "ahead" if found.mean > 0 else "behind"
    return (f"{found.method} against {found.other} {where} is undecided: {side} by {shown} "
            f"({_p(found)}){_why_undecided(found)}.")


def _why_undecided(found: Comparison) -> str:
    n = found.test.n
    if smallest_p(n) > ALPHA:
        return (f"; {_count(n, 'run')} can never reach p ≤ {ALPHA}, "
                f"{runs_needed(found.tests)} can")
    if found.p is not None and found.p <= ALPHA:
        return "; the mean and most runs point in different directions"
    return ""


def _facts(found: Comparison) -> dict[str, str]:
    """What the verdict rests on, by name."""
    if found.p is None:
        return {"paired runs": "0"}
    spread, test = found.interval, found.test
    return {
        "paired runs": _paired(found),
        f"mean gain ({found.unit})": _gain(found, found.mean),
        "95 % interval": f"{_gain(found, spread.low)} to {_gain(found, spread.high)}"
        if spread else NOTHING,
        f"median gain ({found.unit})": _gain(found, found.median),
        "probability of improvement": f"{found.improvement:.2f}",
        "exact Wilcoxon p": f"{test.p:.3g}",
        "smallest p possible": f"{test.smallest_p:.2g} (n = {test.n})",
        **({f"p after Holm over {found.tests}": f"{found.p:.3g}"} if found.tests > 1 else {}),
    }


def _print(found: Sequence[Comparison], notes: Sequence[str]) -> None:
    out = Console(highlight=False, markup=False)
    undecided = [each for each in found if each.verdict == "undecided"]
    for each in found:
        if len(found) == 1 or each not in undecided:
            out.print(sentence(each))
    if len(found) > 1 and undecided:
        out.print(_left_open(undecided, len(found)))
    out.print()
    _print_facts(found, out)
    out.print(_caption(found), style="dim")
    undefined = [f"{each.method} and {each.other}, {at[0]}, seed {at[1]}: {reason}"
                 for each in found for at, reason in each.undefined.items()]
    for note in dict.fromkeys([*undefined, *notes]):
        out.print(f"left out: {note}", style="yellow")
    missing = {run.command: run.reason for each in found for run in each.missing}
    if missing:
        out.print("runs that would complete a pair:", style="yellow")
    for command, reason in missing.items():  # never wrapped: they are there to be copied
        out.print(f"  {command}  # {' '.join(reason.split())}" if reason else f"  {command}",
                  soft_wrap=True)


def _left_open(undecided: Sequence[Comparison], total: int) -> str:
    few = sum(smallest_p(each.test.n) > ALPHA for each in undecided)
    which, tests = "all" if few == len(undecided) else few, undecided[0].tests
    told = (f"; {which} of these have too few runs to ever reach p ≤ {ALPHA}, "
            f"{runs_needed(tests)} can over {tests} comparisons") if few else ""
    return f"{len(undecided)} of {_count(total, 'comparison')} undecided{told}."


def _print_facts(found: Sequence[Comparison], out: Console) -> None:
    """Facts line by line for one comparison; a column each for several, unless all share it."""
    if len(found) == 1:
        rows = [list(fact) for fact in _facts(found[0]).items()]
        out.print(_table(["", ""], rows))
        return
    facts = [{"method": each.method, "against": each.other, "on": each.grid,
              "verdict": each.verdict} | _facts(each) for each in found]
    names = list(dict.fromkeys(name for each in facts for name in each))
    columns = {name: [each.get(name, NOTHING) for each in facts] for name in names}
    shared = [name for name in names if len(set(columns[name])) == 1]
    if shared:
        out.print(", ".join(f"{name}: {columns[name][0]}" for name in shared))
        out.print()
    own = [name for name in names if name not in shared]
    rows = [list(row) for row in zip(*(columns[name] for name in own), strict=True)]
    out.print(_table(own, rows))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="",
                  show_header=any(headings))
    for heading in headings:
        table.add_column(heading, overflow="fold", vertical="bottom",
                         min_width=max(map(len, heading.split()), default=0))
    for row in rows:
        table.add_row(*row)
    return table


def _caption(found: Sequence[Comparison]) -> str:
    sentences = [
        f"Gain: {found[0].quantity} of the first method minus that of the second, at the same "
        "order and seed; positive is better for the first.",
        "Interval: bootstrap of the mean, seeds drawn anew within each order.",
        "p: two-sided signed-rank test, exact."]
    if any(each.p is not None and each.interval is None for each in found):
        sentences.append("No interval where no order has two seeds.")
    elif any(each.p is not None and len(each.seeds) < ENOUGH_SEEDS for each in found):
        sentences.append(f"Intervals from fewer than {ENOUGH_SEEDS} seeds are too narrow.")
    return " ".join([*sentences, "See docs/statistics.md."])


def _content(found: Comparison) -> dict[str, Any]:
    """A comparison for a script; what needs a pair is null without one."""
    content: dict[str, Any] = {
        "grid": found.grid, "method": found.method, "other": found.other,
        "verdict": found.verdict, "sentence": sentence(found), "quantity": found.quantity,
        "unit": found.unit, "pairs": len(found.differences), "orders": found.orders,
        "seeds": found.seeds, "mean": None, "interval": None, "median": None,
        "probability_of_improvement": None, "wilcoxon": None, "p_holm": found.p,
        "tests": found.tests, "runs_needed": runs_needed(found.tests),
        "differences": [{"sequence": at[0], "seed": at[1], "gain": gain}
                        for at, gain in found.differences.items()],
        "undefined": [{"sequence": at[0], "seed": at[1], "reason": reason}
                      for at, reason in found.undefined.items()],
        "missing": [{"method": run.label, "sequence": run.at[0], "seed": run.at[1],
                     "command": run.command, "reason": run.reason} for run in found.missing]}
    if found.p is None:
        return content
    spread = found.interval
    return content | {
        "mean": found.mean, "interval": [spread.low, spread.high] if spread else None,
        "median": found.median, "probability_of_improvement": found.improvement,
        "wilcoxon": vars(found.test)}


def _paired(found: Comparison) -> str:
    pairs, orders, seeds = len(found.differences), found.orders, found.seeds
    size = f"{_count(len(orders), 'order')} x {_count(len(seeds), 'seed')}"
    lacking = "" if pairs == len(orders) * len(seeds) else ", some missing"
    return f"{pairs} ({size}{lacking})"


def _p(found: Comparison) -> str:
    return f"p = {found.p:.3g}" + (f" after Holm over {found.tests}" if found.tests > 1 else "")


def _gain(found: Comparison, gain: float) -> str:
    return f"{gain:+.2f}" if found.unit == "points" else f"{gain:+.4g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

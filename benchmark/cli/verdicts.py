"""What comparisons of methods show, in words, tables and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmark.cli.output import PlainConsole
from benchmark.report.compare import Comparison
from benchmark.statistics import ALPHA, runs_needed, smallest_p

NOTHING = "—"
ENOUGH_SEEDS = 10
"""With fewer, bootstrap intervals hold the truth clearly less often than they say."""


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
        differ = "" if n == len(found.differences) else " that differ"
        return (f"; {_count(n, 'run')}{differ} can never reach p ≤ {ALPHA}, "
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


def print_verdicts(found: Sequence[Comparison], notes: Sequence[str]) -> None:
    """Print the verdict of each comparison, what it rests on, and which runs are missing."""
    out = PlainConsole()
    if len(found) == 1:
        out.print(sentence(found[0]))
        out.print()
        out.print(_table(["", ""], [list(fact) for fact in _facts(found[0]).items()]))
    else:
        for text in _sentences(found):
            out.print(text)
        for grid in dict.fromkeys(each.grid for each in found):
            out.print()
            _print_grid(grid, [each for each in found if each.grid == grid], out)
    out.print()
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


def _sentences(found: Sequence[Comparison]) -> Iterator[str]:
    """What several comparisons show, method by method; the undecided ones are counted."""
    decided: dict[tuple[str, str, str], list[str]] = {}
    for each in found:
        if each.verdict in ("better", "worse"):
            decided.setdefault((each.method, each.verdict, each.grid), []).append(each.other)
        elif each.verdict != "undecided":
            yield sentence(each)
    for (method, verdict, grid), others in decided.items():
        yield f"{method} is {verdict} than {', '.join(others)} on {grid}."
    undecided = [each for each in found if each.verdict == "undecided"]
    if undecided:
        yield f"{len(undecided)} of {len(found)} comparisons are undecided{_too_few(undecided)}."


def _too_few(undecided: Sequence[Comparison]) -> str:
    few = sum(smallest_p(each.test.n) > ALPHA for each in undecided)
    if not few:
        return ""
    which, tests = "all" if few == len(undecided) else few, undecided[0].tests
    return (f", {which} of these with too few runs to ever reach p ≤ {ALPHA}; "
            f"{runs_needed(tests)} can, over {tests} comparisons")


def _print_grid(grid: str, found: Sequence[Comparison], out: Console) -> None:
    """A column for each fact of several comparisons; those that all share are printed above."""
    facts = [{"method": each.method, "against": each.other, "verdict": each.verdict}
             | _facts(each) for each in found]
    columns = {name: [each.get(name, NOTHING) for each in facts]
               for name in max(facts, key=len)}
    shared = [name for name, cells in columns.items() if len({*cells}) == 1]
    out.print(", ".join([grid, *(f"{name}: {columns.pop(name)[0]}" for name in shared)]))
    if columns:
        out.print()
        out.print(_table(list(columns), list(zip(*columns.values(), strict=True))))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Headings wrap between words, cells where they must; nothing is cut off."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="",
                  show_header=any(headings), padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        width = max(map(len, [*heading.split(), *(row[index] for row in rows)]))
        table.add_column(textwrap.fill(heading, width), overflow="fold", vertical="bottom")
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


def content(found: Comparison) -> dict[str, Any]:
    """A comparison for a script; what needs a pair is null without one."""
    values: dict[str, Any] = {
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
        "missing": [{"method": run.label, "sequence": run.key[0], "seed": run.key[1],
                     "command": run.command, "reason": run.reason} for run in found.missing]}
    if found.p is None:
        return values
    spread = found.interval
    return values | {
        "mean": found.mean, "interval": [spread.low, spread.high] if spread else None,
        "median": found.median, "probability_of_improvement": found.improvement,
        "wilcoxon": vars(found.test)}


def _paired(found: Comparison) -> str:
    pairs, orders, seeds = len(found.differences), found.orders, found.seeds
    which = orders[0] if len(orders) == 1 else f"{len(orders)} orders"
    size = f"{which} x {_count(len(seeds), 'seed')}"
    return f"{pairs} ({size})" if pairs == len(orders) * len(seeds) else f"{pairs} (of {size})"


def _p(found: Comparison) -> str:
    return f"p = {found.p:.3g}" + (f" after Holm over {found.tests}" if found.tests > 1 else "")


def _gain(found: Comparison, gain: float) -> str:
    return f"{gain:+.2f}" if found.unit == "points" else f"{gain:+.4g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""What a leaderboard says about how its numbers came about."""

from __future__ import annotations

from benchmark.report.site.leaderboard import Board
from benchmark.report.tables import captions


def caption(board: Board) -> list[str]:
    """Convention, epoch, baseline, orders, seeds and ranks of a leaderboard, in sentences."""
    grid, cells = board.grid, board.grid.cells
    orders, seeds = grid.sequences, grid.seeds
    runs = (f"Mean over {_count(len(orders), 'order')} ({', '.join(orders)}) of the mean over "
            f"{_count(len(seeds), 'seed')} ({', '.join(map(str, seeds))}): "
            f"{_count(len(cells), 'run')} of each method.")
    sentences = [
        captions.caption(grid, board.convention, runs, (), board.columns, whole=True),
        f"Δ: mean gain over {board.baseline} at the same order and seed, over all metrics of a "
        "task, then tasks; positive is better."]
    if board.reason:
        sentences.append(f"There is no gain to show: {board.reason}.")
    elif board.paired < len(cells):
        sentences.append(f"{board.baseline} was run at {board.paired} of the {len(cells)}; Δ is "
                         "over those.")
    rows = (*board.complete, *board.incomplete, *board.bounds)
    if any(row.cells["delta"].interval for row in rows):
        sentences.append("In brackets: 95 % bootstrap interval, seeds drawn anew within orders.")
    elif not board.reason:
        sentences.append("One seed of an order says nothing about how runs vary, so there is no "
                         "interval.")
    sentences += [
        "Forgetting and BWT: of primary metrics, relative to the best and to the just learnt "
        "value, mean over earlier tasks. Worst task: the smallest gain of any task.",
        _ranks(board)]
    return sentences


def _ranks(board: Board) -> str:
    lifelong = len(board.complete) + len(board.incomplete)
    if not any(row.rank for row in board.complete):
        return ("Nothing is ranked: fewer than two lifelong methods have every run and a gain of "
                "each.")
    return (f"Ranked by Δ: the {len(board.complete)} of {_count(lifelong, 'lifelong method')} "
            "that have every run; bounds are not ranked.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

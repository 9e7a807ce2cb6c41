"""Choosing the columns of a table, and what its caption says of them and of its runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.errors import unknown
from benchmark.record import Record
from benchmark.report.runs.grid import BASELINES, Grid
from benchmark.report.runs.scoring import COSTS, ScoreColumn, score_columns
from benchmark.report.runs.summary import count_text
from benchmark.report.tables.table import Column
from benchmark.tasks.metric_values import metric_title

DEFAULT_COLUMNS = ("metrics", "delta", "forgetting", "bwt", "rank", "carried", "train")
"""Columns of a table unless others are chosen; `metrics` stands for primary metrics."""
COST_COLUMNS = ("delta", *COSTS)
RANK, RANK_WITH_BOUNDS = "rank", "rank_bounds"
RANK_TITLES = {RANK: "mean rank", RANK_WITH_BOUNDS: "mean rank, bounds included"}

CONVENTIONS = {
    "pixel": "pixel convention (one sum over all valid pixels)",
    "image": "image convention (mean over images)",
}


def required_baselines(keys: Iterable[str], baseline: str) -> list[str]:
    """The baselines that columns are computed from."""
    known = score_columns(baseline)
    needed = {name for key in keys if key in known for name in known[key].needs}
    return [name for name in BASELINES if name in needed]


def choose_columns(names: Sequence[str], record: Record, baseline: str,
                   all_metrics: bool = False) -> list[Column]:
    """The columns called `names` of a table of runs such as `record`, each once.

    A metric of another table's tasks has no column. `metrics` stands for all primary metrics, or
    with `all_metrics` for all.
    """
    metrics = {f"{task.name}/{metric.name}": (task, metric)
               for task in record.tasks for metric in task.metrics}
    shown = [key for key, (_, metric) in metrics.items() if all_metrics or metric.primary]
    known = score_columns(baseline)
    columns = []
    for key in dict.fromkeys(each for name in names
                             for each in (shown if name == "metrics" else [name])):
        if key in known:
            columns.append(score_column(key, known[key], record))
        elif key in RANK_TITLES:
            columns.append(Column(key, RANK_TITLES[key], "", False))
        elif key in metrics:
            task, metric = metrics[key]
            columns.append(Column(key, f"{task.name} {metric_title(metric.name)}",
                                  metric.unit, metric.higher_is_better))
    return columns


def score_column(key: str, score: ScoreColumn, record: Record) -> Column:
    """A score as the column of a table of runs such as `record`."""
    return Column(key, score.title, score.unit_of(record), score.higher_is_better)


def check_columns(names: Iterable[str], records: Iterable[Record]) -> None:
    """Raises `RequestError` for a column that no table of `records` can have."""
    metrics = {f"{task.name}/{metric.name}": None for record in records for task in record.tasks
               for metric in task.metrics}
    known = ["metrics", *score_columns(BASELINES[0]), *RANK_TITLES, *metrics]
    for name in names:
        if name not in known:
            raise unknown("column", name, known)


def about_scores(keys: Iterable[str], baseline: str) -> list[str]:
    """What the scores among columns mean, one sentence each."""
    known = score_columns(baseline)
    shown = [known[key] for key in keys if key in known and key not in COSTS]
    gains = [column.needs[0] for column in shown if not column.about]
    sentences = [column.about for column in shown if column.about]
    if gains:
        sentences.insert(0, f"Δ: mean gain over {' or '.join(dict.fromkeys(gains))} of the same "
                            "sequence and seed, over all metrics of a task, then tasks; positive "
                            "is better.")
    if any(column.needs for column in shown):
        return sentences
    return [*sentences, "No column has a baseline."]


def convention_text(convention: str) -> str:
    """A convention in words."""
    batch = f"batch convention (mean over batches of {convention[6:]}; segmentation pooled)"
    return CONVENTIONS.get(convention, batch)


def caption_of(grid: Grid, convention: str, runs: str, about: Sequence[str],
               columns: Sequence[Column], whole: bool) -> str:
    """Data, epoch, convention, runs, scores and ranks of a table, in full sentences.

    `runs` says over what means are taken, `about` what the scores mean; `whole` tables rank.
    """
    record = grid.record
    sentences = [
        f"Metrics on all {record.dataset.eval_images} evaluation images of "
        f"{record.dataset.name} ({record.dataset.fingerprint[:12]}) after the last epoch of the "
        f"last phase, protocol {record.protocol}, {convention_text(convention)}.",
        runs, *about]
    keys = [column.key for column in columns]
    if not whole:
        sentences.append("Runs are missing, so nothing is ranked.")
    else:
        if RANK in keys:
            lifelong = count_text(len(grid.lifelong), "lifelong method")
            sentences.append(f"Mean rank: among the {lifelong} shown, bounds left out.")
        if RANK_WITH_BOUNDS in keys:
            every = count_text(len(grid.methods), "method")
            sentences.append(f"Mean rank, bounds included: among the {every} shown.")
    devices = sorted({_device(run.record) for method in grid.methods
                      for run in method.runs.values()})
    if "train" in keys and len(devices) > 1:
        sentences.append(f"Training times come from different devices: {', '.join(devices)}.")
    return " ".join(sentences)


def about_one_order(grid: Grid) -> str:
    """Over which runs the means of a table of one sequence are taken."""
    seeds = grid.seeds
    how = "Mean ± sample standard deviation over" if len(seeds) > 1 else "Values of"
    return (f"{how} {count_text(len(seeds), 'seed')} ({_listed(seeds)}) of 1 order "
            f"({_listed(task.name for task in grid.record.tasks)}).")


def about_orders(grid: Grid, spread: bool = True) -> str:
    """Over which runs the means of a table of a family are taken, and what the brackets are.

    `spread`: whether there are columns of single orders too.
    """
    orders, seeds = grid.sequences, grid.seeds
    tasks = _listed(sorted(task.name for task in grid.record.tasks))
    sentences = [f"{count_text(len(orders), 'order')} ({_listed(orders)}) of the tasks {tasks}, "
                 f"{count_text(len(seeds), 'seed')} ({_listed(seeds)})."]
    if spread and len(seeds) > 1:
        sentences.append("Of one order: mean ± sample standard deviation over seeds.")
    if len(seeds) > 1:
        sentences.append("Over orders: mean over orders of the mean over seeds, in brackets its "
                         "95 % bootstrap interval, seeds drawn anew within each order.")
    else:
        sentences.append("Over orders: the mean of one seed each, which has no interval.")
    return " ".join(sentences)


def _device(record: Record) -> str:
    names = (record.environment.get(key) for key in ("device_name", "device"))
    return next((str(name) for name in names if name), "an unnamed device")


def _listed(things: Iterable[object]) -> str:
    return ", ".join(map(str, things))

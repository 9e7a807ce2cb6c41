"""The columns a table can have: metrics, scores and costs, what each needs and what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.errors import unknown
from benchmark.record import Record
from benchmark.report.runs.costs import COLUMNS as COSTS
from benchmark.report.runs.grid import BASELINES
from benchmark.report.tables.table import Column
from benchmark.scores import (
    Matrix,
    Score,
    bwt,
    delta,
    forgetting,
    gap_closed,
    intransigence,
    learning_transfer,
    mean,
    relative_bwt,
    relative_forgetting,
    worst_task,
)
from benchmark.tasks.metric_values import metric_title

USUAL = ("metrics", "delta", "forgetting", "bwt", "rank", "carried", "train")
"""ArrayLoader of a table unless others are asked for; `metrics` stands for primary metrics."""
SPENT = ("delta", *COSTS)
"""ArrayLoader of a table of costs."""
RANK = "rank"

Beside = Mapping[str, Matrix]
"""Baseline -> its matrix at the same sequence and seed."""


@dataclass(frozen=True)
class ScoreColumn:
    """A score that can be a column."""

    title: str
    unit: str | Callable[[Record], str]
    higher_is_better: bool
    about: str
    """What a caption says of it: one sentence; `about` has that of gains."""
    needs: tuple[str, ...]
    """Baselines it is computed from."""
    of: Callable[[Matrix, Beside], Score]

    def column(self, key: str, record: Record) -> Column:
        """The column of a table of runs such as `record`."""
        unit = self.unit if isinstance(self.unit, str) else self.unit(record)
        return Column(key, self.title, unit, self.higher_is_better)


def kinds(baseline: str) -> dict[str, ScoreColumn]:
    """Every score of one run, by key; `delta` and `worst` refer to `baseline`."""
    gains = {f"delta_{name}": _gain(name) for name in BASELINES}
    return {
        "delta": _gain(baseline), **gains,
        "worst": ScoreColumn("worst task Δ", "%", True,
                      f"Worst task: the smallest task term of Δ vs {baseline}.", (baseline,),
                      lambda own, beside: worst_task(own, beside[baseline])),
        "gap": ScoreColumn("gap closed", "", True,
                    "Gap closed: 0 is finetune, 1 is joint of the same sequence and seed; mean "
                    "over all metrics of a task, then tasks.", ("finetune", "joint"),
                    lambda own, beside: gap_closed(own, beside["finetune"], beside["joint"])),
        "forgetting": ScoreColumn("forgetting", "%", False,
                           "Forgetting: of primary metrics, relative to the best earlier value, "
                           "mean over earlier tasks.", (),
                           lambda own, beside: relative_forgetting(own)),
        "forgetting_abs": ScoreColumn("absolute forgetting", _earlier_unit, False,
                               "Absolute forgetting: of primary metrics in their unit, mean over "
                               "earlier tasks.", (), lambda own, beside: forgetting(own)),
        "bwt": ScoreColumn("BWT", "%", True,
                    "BWT: of primary metrics, relative to the just learnt value, mean over "
                    "earlier tasks.", (), lambda own, beside: relative_bwt(own)),
        "bwt_abs": ScoreColumn("absolute BWT", _earlier_unit, True,
                        "Absolute BWT: of primary metrics in their unit, mean over earlier "
                        "tasks.", (), lambda own, beside: bwt(own)),
        "transfer": ScoreColumn("learning transfer", "%", True,
                         "Learning transfer: gain of each task, just learnt, over a separate "
                         "model of the same block, mean over tasks.", ("separate",),
                         lambda own, beside: mean(
                             learning_transfer(own, beside["separate"]).values())),
        "intransigence": ScoreColumn("intransigence, last task", _last_unit, False,
                              "Intransigence: how far the last task, just learnt, stays behind "
                              "joint, in the unit of its primary metric; of earlier tasks it is "
                              "unknown, since joint models of their blocks alone are not "
                              "trained.", ("joint",), _last_intransigence),
    }


def needs(keys: Iterable[str], baseline: str) -> list[str]:
    """The baselines that columns are computed from."""
    known = kinds(baseline)
    needed = {name for key in keys if key in known for name in known[key].needs}
    return [name for name in BASELINES if name in needed]


def chosen(names: Sequence[str], record: Record, baseline: str,
           all_metrics: bool = False) -> list[Column]:
    """The columns called `names` of a table of runs such as `record`, each once.

    A metric of another table's tasks has no column. `metrics` stands for all primary metrics, or
    with `all_metrics` for all.
    """
    metrics = {f"{task.name}/{metric.name}": (task, metric)
               for task in record.tasks for metric in task.metrics}
    shown = [key for key, (_, metric) in metrics.items() if all_metrics or metric.primary]
    known = kinds(baseline)
    columns = []
    for key in dict.fromkeys(each for name in names
                             for each in (shown if name == "metrics" else [name])):
        if key in known:
            columns.append(known[key].column(key, record))
        elif key in COSTS:
            columns.append(Column(key, *COSTS[key], None))
        elif key == RANK:
            columns.append(Column(RANK, "mean rank", "", False))
        elif key in metrics:
            task, metric = metrics[key]
            columns.append(Column(key, f"{task.name} {metric_title(metric.name)}",
                                  metric.unit, metric.higher_is_better))
    return columns


def about(keys: Iterable[str], baseline: str) -> list[str]:
    """What the scores among columns mean, one sentence each."""
    known = kinds(baseline)
    shown = [known[key] for key in keys if key in known]
    gains = [kind.needs[0] for kind in shown if not kind.about]
    told = [kind.about for kind in shown if kind.about]
    if gains:
        told.insert(0, f"Δ: mean gain over {' or '.join(dict.fromkeys(gains))} of the same "
                       "sequence and seed, over all metrics of a task, then tasks; positive is "
                       "better.")
    return told if any(kind.needs for kind in shown) else [*told, "No column has a baseline."]


def check(names: Iterable[str], records: Iterable[Record]) -> None:
    """Raises `RequestError` for a column that no table of `records` can have."""
    metrics = {f"{task.name}/{metric.name}": None for record in records for task in record.tasks
               for metric in task.metrics}
    known = ["metrics", *kinds(BASELINES[0]), RANK, *COSTS, *metrics]
    for name in names:
        if name not in known:
            raise unknown("column", name, known)


def _gain(baseline: str) -> ScoreColumn:
    return ScoreColumn(f"Δ vs {baseline}", "%", True, "", (baseline,),
                lambda own, beside: delta(own, beside[baseline]))


def _last_intransigence(own: Matrix, beside: Beside) -> Score:
    last = own.primary[-1]
    joint = {last.task: beside["joint"].final(last.task, last.metric)}
    return intransigence(own, joint)[last.task]


def _primary_units(record: Record) -> list[str]:
    return [metric.unit for task in record.tasks for metric in task.metrics if metric.primary]


def _earlier_unit(record: Record) -> str:
    """The unit that all tasks but the last share; empty where they do not."""
    units = set(_primary_units(record)[:-1])
    return units.pop() if len(units) == 1 else ""


def _last_unit(record: Record) -> str:
    return _primary_units(record)[-1]

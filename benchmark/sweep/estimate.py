"""How long runs will take, by how long finished ones took."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import Any, Self

from benchmark.errors import RequestError
from benchmark.files import digest
from benchmark.record import RECORD_FILE, Record, load_record

_MOST_RECORDS = 500
_RUN_ID = re.compile(r"(?P<method>.+)-(?P<sequence>.+)-seed\d+-[0-9a-f]{10}")


@dataclass(frozen=True)
class Workload:
    """What the time of a run depends on; two runs of equal workload take about as long."""

    method: str
    sequence: str
    setting: str
    """sha256 of tasks in any order, recipe and data: all that orders of a family share."""

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Self:
        """The workload of a resolved configuration, as records hold it."""
        recipe = {key: value for key, value in config["recipe"].items() if key != "about"}
        shared = [sorted(config["tasks"]), recipe, config["dataset"], config["split"],
                  config.get("backbones"), config.get("held_out")]
        return cls(config["method"], config["sequence"], digest(shared))

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """The workload of a run by its record."""
        return cls.of_config(record.config)


def seconds_of(record: Record) -> float:
    """Training and evaluation time of a run."""
    return sum(phase.train_seconds + phase.eval_seconds for phase in record.phases)


class Expectation:
    """Expected time of runs, by finished ones."""

    def __init__(self, finished: Iterable[tuple[Workload, float]]) -> None:
        exact: dict[Workload, list[float]] = defaultdict(list)
        orders: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.runs = 0
        """Number of finished runs it is drawn from."""
        for workload, seconds in finished:
            self.runs += 1
            exact[workload].append(seconds)
            orders[workload.setting][workload.method].append(seconds)
        self._exact = {workload: fmean(seconds) for workload, seconds in exact.items()}
        self._orders = {setting: {method: fmean(seconds) for method, seconds in methods.items()}
                        for setting, methods in orders.items()}

    def seconds(self, workload: Workload) -> float | None:
        """Mean time of finished runs of the same workload; else of the method on other orders of
        the same tasks; else of other methods there, times what the method takes relative to them
        in other settings where both are known; None where nothing similar is finished."""
        if workload in self._exact:
            return self._exact[workload]
        here = self._orders.get(workload.setting, {})
        if workload.method in here:
            return here[workload.method]
        if not here:
            return None
        scaled = [seconds * ratio for method, seconds in here.items()
                  if (ratio := self._ratio(workload.method, method)) is not None]
        return fmean(scaled or here.values())

    def _ratio(self, method: str, other: str) -> float | None:
        """Time of a method relative to another's, over settings where both are known."""
        ratios = [known[method] / known[other] for known in self._orders.values()
                  if method in known and known.get(other)]
        return geometric_mean(ratios) if ratios and min(ratios) > 0 else None


def similar_records(runs: Path, wanted: Iterable[Workload]) -> Iterator[Record]:
    """Readable records below `runs` of methods or sequences that are wanted, up to 500."""
    wanted = list(wanted)
    methods = {workload.method for workload in wanted}
    sequences = {workload.sequence for workload in wanted}
    found = 0
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        match = _RUN_ID.fullmatch(folder.name)
        if not match or not (match["method"] in methods or match["sequence"] in sequences):
            continue
        if found == _MOST_RECORDS or not (folder / RECORD_FILE).exists():
            continue
        try:
            yield load_record(folder)
            found += 1
        except RequestError:
            continue

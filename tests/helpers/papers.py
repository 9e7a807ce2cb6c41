"""Runs as the commands of a paper's tables leave them, and the tables' cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.record import Record
from benchmark.report.papers.build import Pair, PaperTable
from benchmark.report.runs.collection import RunCollection, StoredRun

if TYPE_CHECKING:
    from tests.report.conftest import Maker

NO_RUNS = RunCollection(())


def run_as_planned(maker: Maker, method: str, sequence: str = "nyuv2_s1", seed: int = 0,
                   recipe: str = "paper_resnet18", settings: Sequence[str] = (),
                   method_settings: Sequence[str] = ()) -> StoredRun:
    """The record that `lhlbench run` with these options would leave, with made-up numbers."""
    request = RunRequest(method, sequence, seed, tuple(settings), tuple(method_settings), recipe)
    config = make_plan(request).config.canonical()
    made = maker.run(method, seed, sequence, method_config=config["method_config"])
    text = made.record.model_dump_json(by_alias=True).replace('"normals"', '"normal"')
    record = Record.model_validate(json.loads(text) | {"config": config})
    record.save(made.folder)
    return StoredRun(record, made.folder)


def table_of(tables: Sequence[PaperTable], title: str) -> PaperTable:
    """The first table whose title begins with `title`."""
    return next(table for table in tables if table.title.startswith(title))


def cells_of(table: PaperTable) -> dict[tuple[str, str], Pair]:
    """(method, `task metric`) -> published number and ours."""
    return {(method, f"{column.task} {column.metric}"): pair for method, pairs in table.rows.items()
            for column, pair in zip(table.columns, pairs, strict=True)}

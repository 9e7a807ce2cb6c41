"""The data a record says it saw, against the data that are here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmark.config.family import shipped_sequences
from benchmark.data.sources.source import DataPaths, find_source, source_config
from benchmark.data.store.files import Store
from benchmark.data.store.held_out import HeldOutStore
from benchmark.errors import RequestError
from benchmark.files import digest
from benchmark.record import Record


class DataAtHand:
    """Data sets of records, each opened once; those lhlbench makes itself are made when missing."""

    def __init__(self, places: DataPaths) -> None:
        self._places = places
        self._opened: dict[str, Store] = {}

    def problem(self, record: Record) -> str | None:
        """How the record's data differ from the same data set here, or why that cannot be told."""
        try:
            store = self._store(record)
        except RequestError as error:
            return f"its data cannot be compared: {error}"
        here = {"fingerprint": store.fingerprint, "train_images": store.count("train"),
                "eval_images": store.count("eval")}
        for key, value in here.items():
            if (told := getattr(record.dataset, key)) != value:
                return f"dataset.{key} is {told}, the data in {store.folder} have {value}"
        return None

    def _store(self, record: Record) -> Store:
        content, held_out = record.config["dataset"], record.config.get("held_out", 0.0)
        family = next((each.file.parent for each in shipped_sequences()
                       if each.name == record.sequence), Path())
        key = digest([content, held_out, str(family)])
        if key not in self._opened:
            config = source_config(content, "config")
            store = find_source(config.name).open_store(config, replace(self._places,
                                                                       family=family))
            self._opened[key] = HeldOutStore(store, held_out) if held_out else store
        return self._opened[key]

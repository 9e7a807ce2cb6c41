"""`lhlbench data`: prepare, verify and info; without torch."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import yaml
from rich.console import Console
from rich.table import Table

from benchmark.cli.output import metric_text, print_json
from benchmark.config.family import find_sequence, shipped_sequences
from benchmark.config.overrides import override
from benchmark.data.sources.prepared import PreparedConfig, PreparedSource
from benchmark.data.sources.prepared import prepare as prepare_store
from benchmark.data.sources.source import (
    DataPaths,
    default_cache,
    find_source,
    source_config,
    source_names,
)
from benchmark.data.store.files import MANIFEST, Store
from benchmark.data.store.verify import Findings, summary
from benchmark.data.store.verify import verify as verify_store
from benchmark.errors import Interrupted, RequestError, unknown


def prepare_command(dataset: str, source: Path, root: Path | None, settings: list[str],
                    workers: int | None, overwrite: bool, as_json: bool) -> None:
    """Make the store of a real data set, and say where it is."""
    config = _options(dataset, settings)
    if not isinstance(config, PreparedConfig):
        raise RequestError(f"'{dataset}' needs no preparing: it is made when a run needs it")
    module = cast(PreparedSource, find_source(dataset))
    place = root or default_cache()
    try:
        store, made = prepare_store(module, config, source, place, workers, overwrite)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on from there") from None
    if as_json:
        print_json({**summary(store), "made": made})
        return
    counts = store.manifest.images
    print(f"{'prepared' if made else 'already prepared'}: {store.folder}")
    print(f"{counts['train']} training and {counts['eval']} evaluation images; tasks: "
          + ", ".join(store.tasks))
    for note in store.manifest.notes:
        print(f"note: {note}")
    print(f"check it: lhlbench data verify {store.folder}")


def verify_command(name: str, root: Path | None, settings: list[str], as_json: bool) -> None:
    """Check a store and print what its labels look like."""
    store = _store(name, root, settings)
    console = Console(stderr=True)
    with console.status("hashing") as status:
        found = verify_store(store, lambda array: status.update(f"hashing {array}"))
    if as_json:
        print_json({**summary(store), "statistics": [_told(each) for each in found]})
        return
    _print_statistics(found, Console(highlight=False))
    print(f"every byte of {store.folder} is as it was written; fingerprint {store.fingerprint}")


def info_command(name: str, root: Path | None, settings: list[str], to: Path | None,
                 as_json: bool) -> None:
    """Print what a store is, and draw samples of it."""
    from benchmark.data.store.panel import draw

    store = _store(name, root, settings)
    path = to or Path("results/plots") / f"data_{store.folder.name}.png"
    draw(store, path)
    if as_json:
        print_json({**summary(store), "panel": str(path)})
        return
    print(yaml.safe_dump(summary(store), sort_keys=False, width=100), end="")
    print(f"samples: {path}")


def _options(dataset: str, settings: list[str], content: dict[str, Any] | None = None) -> Any:
    """A data set's options: those of a family, or its own defaults, under --set."""
    if content is None and dataset not in source_names():
        raise unknown("data set", dataset, source_names())
    block = {"name": dataset} if content is None else copy.deepcopy(content)
    override(block, settings, "--set")
    return source_config(block, f"--set ({dataset})" if settings else dataset)


def _store(name: str, root: Path | None, settings: list[str]) -> Store:
    """The store a user means by the name of a data set, a family or a sequence, or by a path."""
    if (Path(name) / MANIFEST).is_file():
        return Store(Path(name))
    if root is not None and not root.is_dir():
        raise RequestError(f"--root {root} is not a folder")
    families = {each.family.family: each for each in reversed(shipped_sequences())}
    places = DataPaths(default_cache(), root)
    if name.partition(":")[0].endswith(".yaml") or name not in (*families, *source_names()):
        known = [*families, *source_names()]
        try:
            sequence = find_sequence(name)
        except RequestError:
            if ".yaml" in name:
                raise
            raise unknown("data set, family or store", name, known) from None
    elif name in families:
        sequence = families[name]
    else:
        return find_source(name).open_store(_options(name, settings), places)
    config = _options(name, settings, sequence.family.dataset)
    return find_source(config.name).open_store(config, DataPaths(places.cache, root,
                                                              sequence.file.parent))


def _told(found: Findings) -> dict[str, Any]:
    return {**asdict(found), "task": found.task.name}


def _print_statistics(found: list[Findings], console: Console) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("task", "split", "images", "valid %", "values"):
        table.add_column(column, justify="right" if column in ("images", "valid %") else "left")
    for each in found:
        table.add_row(each.task.name, each.split, str(each.images), f"{each.valid_percent:.1f}",
                      _values_text(each))
    console.print(table)


def _values_text(found: Findings) -> str:
    if found.task.kind in ("segmentation", "binary"):
        return ", ".join(f"{name} {share:.1f} %" for name, share in found.values.items())
    told = ", ".join(f"{name} {metric_text(value)}" for name, value in found.values.items())
    return f"{told} ({found.task.unit})" if found.task.unit else told

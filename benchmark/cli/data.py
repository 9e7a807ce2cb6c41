"""`lhlbench data`: prepare, verify and info. None of them imports torch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.table import Table

from benchmark.cli.options import AsJson, DataSettings, Root, StoreName, require_folder
from benchmark.cli.output import PlainConsole, metric_text, print_json, print_line
from benchmark.errors import Interrupted, RequestError, unknown

if TYPE_CHECKING:
    from benchmark.data.store.files import Store
    from benchmark.data.store.verify import Findings


def prepare(dataset: Annotated[str, typer.Argument(help="nyuv2, cityscapes, taskonomy or "
                                                   "pascal_context")],
            source: Annotated[Path, typer.Option("--from", help="The folder, or main file, that "
                                                 "holds the data set; or what holds its folder.")],
            root: Root = None, settings: DataSettings = None,
            workers: Annotated[int | None, typer.Option(min=1, help="Default: one per core.")
                               ] = None,
            overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what was prepared "
                                                    "before.")] = False,
            as_json: AsJson = False) -> None:
    """Read a real data set once into one fast store; goes on where it was interrupted."""
    from benchmark.data.sources.prepared import PreparedConfig, PreparedSource
    from benchmark.data.sources.prepared import prepare as prepare_store
    from benchmark.data.sources.source import default_cache, find_source
    from benchmark.data.store.verify import summary

    config = _dataset_config(dataset, settings)
    if not isinstance(config, PreparedConfig):
        raise RequestError(f"'{dataset}' needs no preparing: it is made when a run needs it")
    module = cast(PreparedSource, find_source(dataset))
    try:
        store, made = prepare_store(module, config, source, root or default_cache(), workers,
                                    overwrite)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on from there") from None
    if as_json:
        print_json({**summary(store), "made": made})
        return
    counts = store.manifest.images
    print_line(f"{'prepared' if made else 'already prepared'}: {store.folder}")
    print_line(f"{counts['train']} training and {counts['eval']} evaluation images; tasks: "
               + ", ".join(store.tasks))
    for note in store.manifest.notes:
        print_line(f"note: {note}")
    print_line(f"check it: lhlbench data verify {store.folder}")


def verify(name: StoreName, root: Root = None, settings: DataSettings = None,
           as_json: AsJson = False) -> None:
    """Hash a store again, check every value, and print class and depth statistics."""
    from benchmark.data.store.verify import summary
    from benchmark.data.store.verify import verify as verify_store

    store = _find_store(name, root, settings)
    with PlainConsole(stderr=True).status("hashing") as status:
        found = verify_store(store, lambda array: status.update(f"hashing {array}"))
    if as_json:
        print_json({**summary(store), "statistics": [
            {**asdict(each), "task": each.task.name} for each in found]})
        return
    _print_statistics(found)
    print_line(f"every byte of {store.folder} is as it was written; fingerprint "
               f"{store.fingerprint}")


def info(name: StoreName, root: Root = None, settings: DataSettings = None,
         to: Annotated[Path | None, typer.Option("--to", help="PNG of samples; default: "
                                                 "results/plots/data_NAME.png.")] = None,
         as_json: AsJson = False) -> None:
    """Show what a store holds, and draw a panel of samples."""
    import yaml

    from benchmark.data.store.panel import draw_samples
    from benchmark.data.store.verify import summary

    store = _find_store(name, root, settings)
    path = to or Path("results/plots") / f"data_{store.folder.name}.png"
    draw_samples(store, path)
    if as_json:
        print_json({**summary(store), "panel": str(path)})
        return
    print(yaml.safe_dump(summary(store), sort_keys=False, width=100), end="")
    print_line(f"samples: {path}")


def _dataset_config(dataset: str, settings: Sequence[str] | None,
                    content: dict[str, Any] | None = None) -> Any:
    """The configuration of a data set: `content`, the block of a family, or its defaults, changed
    by --set."""
    from benchmark.config.overrides import override
    from benchmark.data.sources.source import source_config, source_names

    if content is None and dataset not in source_names():
        raise unknown("data set", dataset, source_names())
    block = {"name": dataset} if content is None else copy.deepcopy(content)
    override(block, settings or (), "--set")
    return source_config(block, f"--set ({dataset})" if settings else dataset)


def _find_store(name: str, root: Path | None, settings: Sequence[str] | None) -> Store:
    """The store named by a data set, a family, a sequence or a path, made when it is missing.

    Raises `RequestError` for an unknown name and `DataError` when the store cannot be made.
    """
    from benchmark.config.family import find_sequence, shipped_sequences
    from benchmark.data.sources.source import DataPaths, default_cache, find_source, source_names
    from benchmark.data.store.files import MANIFEST, Store

    if (Path(name) / MANIFEST).is_file():
        return Store(Path(name))
    require_folder("--root", root)
    families = {each.family.family: each for each in reversed(shipped_sequences())}
    if name.partition(":")[0].endswith(".yaml") or name not in (*families, *source_names()):
        try:
            sequence = find_sequence(name)
        except RequestError:
            if ".yaml" in name:
                raise
            raise unknown("data set, family or store", name,
                          [*families, *source_names()]) from None
    elif name in families:
        sequence = families[name]
    else:
        data_paths = DataPaths(default_cache(), root)
        return find_source(name).open_store(_dataset_config(name, settings), data_paths)
    config = _dataset_config(name, settings, sequence.family.dataset)
    data_paths = DataPaths(default_cache(), root, sequence.file.parent)
    return find_source(config.name).open_store(config, data_paths)


def _print_statistics(found: Sequence[Findings]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("task", "split", "images", "valid %", "values"):
        table.add_column(column, justify="right" if column in ("images", "valid %") else "left")
    for each in found:
        table.add_row(each.task.name, each.split, str(each.images), f"{each.valid_percent:.1f}",
                      _values_text(each))
    PlainConsole().print(table)


def _values_text(found: Findings) -> str:
    from benchmark.tasks.registry import find_kind

    spec = find_kind(found.task.kind).spec
    if spec.labels:
        return ", ".join(f"{name} {share:.1f} %" for name, share in found.values.items())
    text = ", ".join(f"{name} {metric_text(value)}" for name, value in found.values.items())
    unit = spec.statistics_unit(found.task)
    return f"{text} ({unit})" if unit else text

"""Whether a record is what a run would have left: the first difference, stated precisely.

A record holds the same facts several times - in its head, its configuration, its name, the
statistics it was derived from, the sequence and the recipe it names - and an edited one
contradicts itself. What was forged in all of these places at once cannot be stated from it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from benchmark import PROTOCOL_VERSION
from benchmark.config.family import shipped_sequences
from benchmark.config.recipe import Recipe
from benchmark.config.yaml_file import validate
from benchmark.data.loading.blocks import batch_sizes
from benchmark.data.sources.source import DataPaths, find_source, source_config
from benchmark.data.store.files import Store
from benchmark.data.store.held_out import HeldOutStore
from benchmark.errors import RequestError
from benchmark.files import digest
from benchmark.record import PhaseInfo, Record, load_record, run_id
from benchmark.report.runs.collection import StoredRun, require_plain
from benchmark.report.submission.rederived import matrix_problems

_RATE_TOLERANCE = 1e-6
_MOST_IMAGES = 10 ** 8


def first_problem(path: Path) -> str | None:
    """The first thing wrong with a record (`record.json` or its folder); None when it is valid."""
    return check_record(path)[1]


def check_record(path: Path) -> tuple[StoredRun | None, str | None]:
    """A record, when it can be read, and the first thing wrong with it."""
    folder = path if path.is_dir() else path.parent
    record = None
    try:
        require_plain(folder)
        record = load_record(path)
        first = next(_problems(record, folder), None)
    except RequestError as error:
        first = str(error)
    return (StoredRun(record, folder) if record else None), first


def disagreements(found: Sequence[StoredRun]) -> dict[Path, str]:
    """Records, by folder, whose data differ from what most others saw under the same options.

    Only data sets that lhlbench makes itself are compared: of real ones there are several copies.
    """
    seen: dict[str, list[StoredRun]] = {}
    for each in found:
        config = each.record.config
        if not _is_read_from_files(each.record.dataset.name):
            seen.setdefault(digest([config["dataset"], config.get("held_out")]), []).append(each)
    wrong: dict[Path, str] = {}
    for members in seen.values():
        usual = Counter(each.record.dataset.fingerprint for each in members).most_common(1)[0][0]
        wrong |= {each.folder: f"dataset.fingerprint is {each.record.dataset.fingerprint}, under "
                  f"the same options other records have {usual}"
                  for each in members if each.record.dataset.fingerprint != usual}
    return wrong


class LocalData:
    """Data sets of records, each opened once; those lhlbench makes itself are made when missing."""

    def __init__(self, data_paths: DataPaths) -> None:
        self._paths = data_paths
        self._opened: dict[str, Store] = {}

    def problem(self, record: Record) -> str | None:
        """How the record's data differ from the same data set here, or why nobody can tell."""
        try:
            store = self._store(record)
        except RequestError as error:
            return f"its data cannot be compared: {error}"
        here = {"fingerprint": store.fingerprint, "train_images": store.count("train"),
                "eval_images": store.count("eval")}
        for key, value in here.items():
            if (recorded := getattr(record.dataset, key)) != value:
                return f"dataset.{key} is {recorded}, the data in {store.folder} have {value}"
        return None

    def _store(self, record: Record) -> Store:
        content, held_out = record.config["dataset"], record.config.get("held_out", 0.0)
        family = next((each.file.parent for each in shipped_sequences()
                       if each.name == record.sequence), Path())
        key = digest([content, held_out, str(family)])
        if key not in self._opened:
            config = source_config(content, "config")
            store = find_source(config.name).open_store(config, replace(self._paths,
                                                                       family=family))
            self._opened[key] = HeldOutStore(store, held_out) if held_out else store
        return self._opened[key]


def _problems(record: Record, folder: Path) -> Iterator[str]:
    if not 1 <= record.protocol <= PROTOCOL_VERSION:
        yield (f"protocol {record.protocol}, this version measures by {PROTOCOL_VERSION}; update "
               "lhlbench")
    if record.status != "complete":
        yield f"the run failed: {record.reason}"
    yield from _head(record)
    yield from _sequence(record)
    yield from _method(record)
    yield from _phases(record)
    yield from _cost(record)
    yield from matrix_problems(record, folder)
    yield from _name(record)


def _head(record: Record) -> Iterator[str]:
    """What the record says twice."""
    config = record.config
    stated = {"method": record.method.name, "method_config": record.method.config,
            "sequence": record.sequence, "seed": record.seed,
            "tasks": [task.name for task in record.tasks]}
    for key, value in stated.items():
        if config.get(key) != value:
            yield f"config.{key} is {config.get(key)!r}, the record's head says {value!r}"
    for key in ("recipe", "dataset"):
        if not isinstance(config.get(key), dict):
            yield f"config.{key} is missing"
    source = source_config(config["dataset"], "config")
    if source.name != record.dataset.name:
        yield (f"config.dataset.name is {source.name!r}, the record's head says "
               f"{record.dataset.name!r}")
    if config.get("split") not in ("disjoint", "shared"):
        yield f"config.split is {config.get('split')!r}, not disjoint or shared"
    if not re.fullmatch(r"[0-9a-f]{16}", record.dataset.fingerprint):
        yield f"dataset.fingerprint is {record.dataset.fingerprint!r}, not 16 digits of a hash"
    if record.dataset.train_images < 1 or record.dataset.eval_images < 1 or not record.tasks:
        yield "a run has training images, evaluation images and tasks; this record has none"
    if not _is_read_from_files(record.dataset.name) and not config.get("held_out"):
        for split in ("train", "eval"):
            stated = config["dataset"].get(split)
            counted = getattr(record.dataset, f"{split}_images")
            if stated != counted:
                yield f"dataset.{split}_images is {counted}, config.dataset.{split} is {stated}"


def _name(record: Record) -> Iterator[str]:
    derived = run_id(record.config, record.dataset.fingerprint, record.protocol)
    if record.run_id != derived:
        yield (f"run_id is {record.run_id}, its configuration, data and protocol give {derived}: "
               "one of them was changed")


def _sequence(record: Record) -> Iterator[str]:
    """A sequence that comes along has the tasks its file says."""
    tasks = tuple(task.name for task in record.tasks)
    if not re.fullmatch(r"[a-z][a-z0-9_]*_s[1-9][0-9]*", record.sequence):
        yield f"sequence is {record.sequence!r}, not a name such as rooms_s1"
    shipped = _shipped_orders().get(record.sequence, tasks)
    if shipped != tasks:
        yield f"tasks are {', '.join(tasks)}, {record.sequence} is {', '.join(shipped)}"


@cache
def _shipped_orders() -> dict[str, tuple[str, ...]]:
    return {sequence.name: sequence.tasks for sequence in shipped_sequences()}


def _method(record: Record) -> Iterator[str]:
    """Whether a method that comes along is of the kind it says, so that no bound is ranked."""
    if record.config.get("plug_in") is None:
        kind = _kind(record.method.name) or record.method.kind
        if record.method.kind != kind:
            yield f"method.kind is {record.method.kind}, {record.method.name} is {kind}"


@cache
def _kind(method: str) -> str | None:
    from benchmark.registry import find_method, method_names

    return find_method(method).kind if method in method_names() else None


def _phases(record: Record) -> Iterator[str]:
    """Precision, phases, epochs, steps and images as the recipe makes them."""
    recipe = validate(Recipe, record.config["recipe"], "config.recipe")
    if record.environment.get("precision") != recipe.precision:
        yield (f"environment.precision is {record.environment.get('precision')!r}, "
               f"config.recipe.precision is {recipe.precision!r}")
    names = [task.name for task in record.tasks]
    together = record.method.kind == "bound" and len(record.phases) == 1
    labels = ["+".join(names)] if together else names
    if [phase.task for phase in record.phases] != labels:
        yield (f"phases are of {', '.join(phase.task for phase in record.phases)}; the sequence "
               f"has {', '.join(labels)}")
    images, blocks = record.dataset.train_images, len(names)
    if record.config["split"] == "disjoint":
        images = images // blocks * (blocks if together else 1)
    if images * recipe.crops_per_image > _MOST_IMAGES:
        yield f"{images} images x recipe.crops_per_image are more than an epoch could show"
    sizes = batch_sizes(images * recipe.crops_per_image, recipe.batch, recipe.drop_last)
    for number, phase in enumerate(record.phases, start=1):
        for key, value in (("epochs", recipe.epochs), ("steps", recipe.epochs * len(sizes)),
                           ("images", recipe.epochs * sum(sizes))):
            if getattr(phase, key) != value:
                yield (f"phase {number}: {key} is {getattr(phase, key)}; {recipe.epochs} epochs "
                       f"of {images} images in batches of {recipe.batch} make {value}")
        yield from _times(phase, number)


def _times(phase: PhaseInfo, number: int) -> Iterator[str]:
    for key in ("train_seconds", "eval_seconds", "images_per_second", "peak_memory_bytes",
                "encoder_forwards", "encoder_backwards"):
        value = getattr(phase, key)
        if value is not None and value < 0:
            yield f"phase {number}: {key} is {value}"
    rate = phase.images / phase.train_seconds if phase.train_seconds > 0 else 0.0
    if not math.isclose(phase.images_per_second, rate, rel_tol=_RATE_TOLERANCE):
        yield (f"phase {number}: images_per_second is {phase.images_per_second}, {phase.images} "
               f"images in {phase.train_seconds} s are {rate}")


def _cost(record: Record) -> Iterator[str]:
    if record.cost is None:
        yield "cost is null"
        return
    changes = len(set(record.config.get("backbones") or ())) > 1
    for key, value in record.cost.model_dump().items():
        if key == "parameters_added" and changes:
            continue  # a smaller network of before takes fewer than heads on the present one
        if value < (1 if key == "parameters" else 0):
            yield f"cost.{key} is {value}"


def _is_read_from_files(name: str) -> bool:
    """Whether a data set comes in the user's files, rather than with lhlbench."""
    return name == "folder" or hasattr(find_source(name), "LAYOUTS")

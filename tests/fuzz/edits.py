"""Edited files of every kind, given to what reads them: each ends in a result or one message.

`fuzz(seconds)` goes on for as long as is wanted, with other edits each time.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import yaml

from benchmark.cli.app import invoke
from benchmark.config.recipe import Recipe
from benchmark.config.shipped import shipped
from benchmark.config.yaml_file import parse
from benchmark.data.sources.source import DataPaths, find_source
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.errors import RequestError
from benchmark.record import load_record
from benchmark.report.submission.validation import first_problem
from tests.fuzz.mutations import mutated_json, mutated_statistics, mutated_yaml

PUBLISHED = [folder for folder in sorted((shipped("results/published") / "rooms_s1").iterdir())
             if load_record(folder).config["recipe"]["lr"] == 0.003
             and folder.name.split("-")[0] in ("finetune", "lwf", "had", "joint", "separate")]
RECORDS = {folder: json.loads((folder / "record.json").read_text()) for folder in PUBLISHED}
GOOD = [folder for folder in PUBLISHED if folder.name.split("-")[0] in ("finetune", "lwf")]
FOLDER = {
    "family": "mine", "about": "x", "orders": {"shuffles": 1}, "held_out": 0.0, "recipe": "rooms",
    "backbones": ["narrow"], "tasks": ["semantic", "depth"], "split": "disjoint",
    "dataset": {"name": "folder", "root": ".", "images": "rgb/*.png", "size": [24, 32], "tasks": {
        "semantic": {"kind": "segmentation", "files": "lab/*.png", "encoding": "index",
                     "classes": ["a", "b"], "void": [255]},
        "depth": {"kind": "regression", "files": "d/*.npy", "encoding": "npy", "scale": 0.001,
                  "invalid": [0], "unit": "m", "quantity": "depth"}},
        "split": {"eval_share": 0.2, "seed": 0}}}
"""A family of a user's own images, every option given."""
ROOMS, RECIPE = (yaml.safe_load((shipped("sequences") / name).read_text())
                 for name in ("rooms.yaml", "recipes/rooms.yaml"))
LISTS = (["ls", "runs"], ["table", "--format", "csv"])
READERS = (*LISTS, ["table", "--orders", "--format", "md"],
           ["table", "--costs", "--format", "latex"],
           ["table", "--columns", "gap,worst,transfer,intransigence,rank", "--format", "html"],
           ["table", "--tidy", "--columns", "recipe.lr"], ["table", "--convention", "image"],
           ["compare", "lwf", "finetune"], ["report", "--to", "site"],
           ["plot", "ranks", "--to", "plots"], ["plot", "matrix", "--to", "plots"])
"""Commands that read every record below a folder."""


def edit_records(random: Random, folder: Path, commands: tuple[list[str], ...] = LISTS,
                 count: int = 20) -> None:
    """Put `count` edited records beside good ones; every command must show the good ones."""
    for good in GOOD:
        shutil.copytree(good, folder / good.name)
    for number in range(count):
        source = random.choice(PUBLISHED)
        edited = folder / f"edited{number}"
        edited.mkdir()
        (edited / "record.json").write_bytes(mutated_json(RECORDS[source], random))
        if number % 4 == 0:
            shutil.copy(source / "statistics.npz", edited)
        first_problem(edited)
    for words in commands:
        code, printed = outcome([*words, "--runs", str(folder), "--no-published"])
        # A plot of ranks refuses methods that were not run at the same orders and seeds.
        assert code == 0 or (code == 2 and words[0] == "plot"), (words, printed)
        assert all(each.isprintable() or each == "\n" for each in printed), words


def edit_statistics(random: Random, folder: Path) -> None:
    """Edited statistics are refused by `validate`, with one message."""
    source = random.choice(PUBLISHED)
    copied = folder / source.name
    shutil.copytree(source, copied)
    content = mutated_statistics(copied / "statistics.npz", random)
    if content != (copied / "statistics.npz").read_bytes():
        (copied / "statistics.npz").write_bytes(content)
        for words in (["show", str(copied)], ["validate", str(copied)]):
            code, printed = outcome(words)
            assert code in (0, 2) and "Traceback" not in printed


def edit_families(random: Random, folder: Path) -> None:
    """Edited families and recipes are resolved, or refused with one message, within seconds."""
    file = folder / "mine.yaml"
    for content in (ROOMS, FOLDER, RECIPE):
        file.write_bytes(mutated_yaml(content, random))
        begin = time.monotonic()
        try:
            if content is RECIPE:
                parse(Recipe, file)
            else:
                plan = make_plan(RunRequest("finetune", str(file)))
                if content is FOLDER:
                    find_source("folder").open_store(plan.source_config, DataPaths(
                        folder / "cache", family=folder))
        except RequestError as error:
            assert "\n" not in str(error) and len(str(error)) < 2500, str(error)
        assert time.monotonic() - begin < 10


def outcome(words: list[str]) -> tuple[int, str]:
    """Exit code of a command, and all that it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        return invoke(words), printed.getvalue()


@contextlib.contextmanager
def new_folder() -> Iterator[Path]:
    """An empty folder to work in, removed afterwards."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        yield Path(name)


def fuzz(seconds: float, seed: int = 0) -> int:
    """Edit and read for some time; how often. Raises, naming the seed, for the first traceback."""
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for edit in (lambda random, folder: edit_records(random, folder, READERS, 40),
                     edit_statistics, *[edit_families] * 20):
            random = Random(seed + rounds)
            with new_folder() as folder:
                try:
                    edit(random, folder)
                except Exception as error:
                    error.add_note(f"fuzz(seconds, seed={seed + rounds})")
                    raise
            rounds += 1
    return rounds

"""How fast batches come: from the store, and from npy files read one by one as MTAN's loader does.

    python bench/loading.py

288 x 384, batch 16, three labels, the same pixels both ways, measured in turns. Then the share of
a training step that loading takes when the phase is on the device, with the smallest network there
is.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmark.config.recipe import Recipe
from benchmark.data.loading.blocks import blocks
from benchmark.data.loading.phase_data import PhaseData
from benchmark.data.store.codec import Codec
from benchmark.data.store.files import IMAGE, Store
from benchmark.data.store.writer import StoreWriter, build
from benchmark.memory import keep_freed_memory
from benchmark.model.network import Network
from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of

SIZE, IMAGES, BATCH, ROUNDS = (288, 384), 96, 16, 7
CPU = torch.device("cpu")
TASKS = {task.name: task for task in (
    Task(name="semantic", kind="segmentation", channels=13),
    Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m"),
    Task(name="normal", kind="direction", channels=3))}
CODEC = Codec(scale=0.0002, invalid=0)


def write_npy(root: Path) -> None:
    """An MTAN-like copy: channels last, float32."""
    numbers = np.random.default_rng(0)
    for index in range(IMAGES):
        vectors = numbers.normal(size=(*SIZE, 3))
        parts = {"image": numbers.random((*SIZE, 3)), "depth": 1 + 9 * numbers.random((*SIZE, 1)),
                 "label": numbers.integers(0, 13, SIZE),
                 "normal": vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)}
        for name, values in parts.items():
            (root / name).mkdir(exist_ok=True)
            np.save(root / name / f"{index}.npy", values.astype(np.float32))


def fill(writer: StoreWriter, root: Path) -> None:
    """The same pixels as a store."""
    for split, count in (("train", IMAGES), ("eval", 1)):
        image = writer.array(split, IMAGE, (count, 3, *SIZE), "uint8")
        semantic = writer.array(split, "semantic", (count, *SIZE), "uint8")
        depth = writer.array(split, "depth", (count, 1, *SIZE), "uint16", CODEC)
        normal = writer.array(split, "normal", (count, 3, *SIZE), "float16")
        for row in range(count):
            read = {name: np.load(root / name / f"{row}.npy")
                    for name in ("image", "label", "depth", "normal")}
            image[row] = (255 * read["image"]).round().transpose(2, 0, 1)
            semantic[row] = read["label"]
            depth[row] = CODEC.encode(read["depth"].transpose(2, 0, 1))
            normal[row] = read["normal"].transpose(2, 0, 1)


def npy_epoch(root: Path, order: np.ndarray) -> float:
    """Images per second of the loop every MTAN-derived code has."""
    begin = time.perf_counter()
    for start in range(0, IMAGES, BATCH):
        batch = []
        for index in order[start:start + BATCH]:
            batch.append([torch.from_numpy(np.moveaxis(
                np.load(root / name / f"{index}.npy"), -1, 0)).float()
                for name in ("image", "depth", "normal")] + [
                torch.from_numpy(np.load(root / "label" / f"{index}.npy")).long()])
        for parts in zip(*batch, strict=True):
            torch.stack(parts)
    return IMAGES / (time.perf_counter() - begin)


def store_epoch(data: PhaseData, number: int) -> float:
    """Images per second of a phase's data, shuffled."""
    begin = time.perf_counter()
    for _ in data.epoch(number):
        pass
    return IMAGES / (time.perf_counter() - begin)


def step_seconds(data: PhaseData, recipe: Recipe) -> tuple[float, float]:
    """Median seconds of loading a batch and of everything else in a training step."""
    network = Network(recipe, 0)
    for task in TASKS.values():
        network.add_head(task)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.lr)
    loading, working = [], []
    begin = time.perf_counter()
    for batch in data.epoch(1):
        loaded = time.perf_counter()
        raw = network.outputs(batch.images, list(TASKS))
        loss = torch.stack([kind_of(task).loss(raw[name], batch.targets[name])
                            for name, task in TASKS.items()]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loading.append(loaded - begin)
        begin = time.perf_counter()
        working.append(begin - loaded)
    return statistics.median(loading), statistics.median(working)


def main() -> None:
    """Measure and print."""
    keep_freed_memory()  # as every run does; the npy loop gains by it too
    recipe = Recipe(epochs=1, batch=BATCH, lr=0.003, head_rates=(1, 2, 3), head_channels=32)
    block = blocks(list(TASKS), IMAGES, "shared", "multitask")[0]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_npy(root)
        store: Store = build(root / "store", list(TASKS.values()), "speed", 1, {},
                             lambda writer: fill(writer, root))
        ways = {name: PhaseData(store, block, TASKS, recipe, 0, CPU, preload)
                for name, preload in (("resident", "resident"), ("streamed", "streamed"))}
        rates: dict[str, list[float]] = {"npy": [], **{name: [] for name in ways}}
        for number in range(ROUNDS):
            rates["npy"].append(npy_epoch(root, np.random.default_rng(number).permutation(IMAGES)))
            for name, data in ways.items():
                rates[name].append(store_epoch(data, number))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        for name, rate in medians.items():
            print(f"{name:9} {rate:7.0f} images/s  {rate / medians['npy']:5.1f} x npy")
        loading, working = step_seconds(ways["resident"], recipe)
    share = loading / (loading + working)
    print(f"resident: loading {1000 * loading:.1f} ms of a {1000 * (loading + working):.0f} ms "
          f"step ({share:.2%})")


if __name__ == "__main__":
    main()

"""What the harness adds to a training step: finetune through it, and a loop written by hand.

    python bench/bare_loop.py

The same network, data on the device, losses and optimiser on the first task of rooms_s1. Both take
steps in turns, each first in every other pair; printed is the median of the paired ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.optim.lr_scheduler import OneCycleLR

from benchmark.data.sources.source import DataPaths, default_cache
from benchmark.data.store.files import IMAGE, Store
from benchmark.engine.execute import open_visible_store
from benchmark.engine.options import Options
from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.request import RunRequest
from benchmark.model.network import Network
from benchmark.speed.pairs import measure_pairs
from benchmark.speed.stopwatch import seconds_of
from benchmark.speed.subject import Subject
from benchmark.tasks.losses import kind_of


def bare_steps(plan: Plan, store: Store, device: torch.device) -> Iterator[int]:
    """A plain PyTorch loop over the first block's images and labels; yields images per step."""
    config, recipe = plan.config, plan.config.recipe
    task = store.task(config.tasks[0])
    count = store.count("train") // len(config.tasks)
    images = torch.from_numpy(store.rows("train", IMAGE, np.arange(count))).to(device)
    targets = torch.from_numpy(store.values("train", task.name, slice(0, count)).copy()).to(device)
    if targets.is_floating_point():
        targets = targets.float()
    kind = kind_of(task)
    network = Network(recipe, config.seed).to(device)
    network.add_head(task)
    network.train()
    adams = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    optimiser = adams[recipe.optimizer](network.parameters(), lr=recipe.lr, fused=True,
                                        weight_decay=recipe.weight_decay)
    schedule = OneCycleLR(optimiser, recipe.lr, recipe.epochs * (count // recipe.batch))
    while True:
        order = torch.randperm(count)
        for rows in order[:count // recipe.batch * recipe.batch].split(recipe.batch):
            chosen = rows.to(device)
            batch = images[chosen].float().div_(255)
            raw = network.outputs(batch, [task.name])[task.name]
            loss = kind.loss(raw, targets[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            yield len(batch)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequence", default="rooms_s1")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    plan = make_plan(RunRequest("finetune", chosen.sequence, settings=tuple(chosen.set)))
    recipe = plan.config.recipe
    if recipe.optimizer == "sgd" or recipe.schedule != "onecycle" or recipe.precision != "fp32":
        parser.error("the bare loop knows adam and adamw, the one-cycle schedule and fp32")
    options = Options(Path(), DataPaths(default_cache(), None), device=chosen.device)
    subject = Subject(plan, options, chosen.steps + 3)
    subject.begin(1)
    bare = bare_steps(subject.plan, open_visible_store(plan, options.data_paths), subject.device)
    pairs = measure_pairs(lambda: seconds_of(subject.step, subject.device),
                          lambda: seconds_of(lambda: next(bare), subject.device),
                          chosen.steps, warm_up=2)
    for name, median in zip(("harness", "bare"), pairs.medians, strict=True):
        print(f"{name:8} {1e3 * median:7.1f} ms a step")
    low, high = pairs.quartiles
    print(f"harness / bare, step by step: {pairs.ratio:.3f} "
          f"(quartiles {low:.3f} to {high:.3f}, {len(pairs.ratios)} pairs, "
          f"{torch.get_num_threads()} threads, torch {torch.__version__})")


if __name__ == "__main__":
    main()

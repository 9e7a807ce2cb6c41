"""A method on its way through the phases of a run, one training step at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.data.loading.blocks import batch_sizes, blocks
from benchmark.data.store.files import Store
from benchmark.engine.callbacks import Callback
from benchmark.engine.execute import open_visible_store
from benchmark.engine.options import Options
from benchmark.engine.plan import Plan
from benchmark.engine.protocol import LifelongRun
from benchmark.engine.trainer import PhaseTrainer
from benchmark.speed.machine import held_bytes


class Subject:
    """The trainer, network, data and method of a real run. Nothing is evaluated or written."""

    def __init__(self, plan: Plan, options: Options, steps: int) -> None:
        """`steps` is the most that any phase is asked for; the recipe's epochs are set by it, since
        some schedules end."""
        store = open_visible_store(plan, options.data_paths)
        recipe = plan.config.recipe.model_copy(update={"epochs": _epochs(plan, store, steps)})
        plan = replace(plan, config=plan.config.model_copy(update={"recipe": recipe}))
        self.name, self.plan = plan.config.method, plan
        before = held_bytes()
        self.run = LifelongRun(plan, options, Callback(), store, Path())
        self.device = self.run.fabric.device
        self.bytes = held_bytes() - before
        """Bytes of the tensors that the present phase holds between two steps, gradients apart."""
        self._trainer: PhaseTrainer | None = None
        self._steps: Iterator[tuple[int, Any]] = iter(())
        self._epoch = 0

    @property
    def phases(self) -> int:
        """How many phases the method learns in: one per task, one alone for some bounds."""
        return len(self.run.blocks)

    @property
    def trainer(self) -> PhaseTrainer:
        """Of the present phase."""
        assert self._trainer is not None
        return self._trainer

    def begin(self, phase: int) -> None:
        """Begin a phase, counted from 1; the one before must have been begun."""
        if self._trainer is not None:
            self._steps = iter(())
            self.drop_gradients()
        before = held_bytes()
        if self._trainer is not None:
            self.run.close_phase(self._trainer)
        self._trainer, self._epoch = self.run.begin_phase(phase), 0
        self.step()  # the optimiser and some methods make their state in the first step
        self.drop_gradients()
        self.bytes += held_bytes() - before

    def step(self) -> int:
        """Take one step; its number of images."""
        while True:
            for images, _ in self._steps:
                return images
            self._epoch += 1
            self._steps = self.trainer.take_steps(self._epoch)

    def drop_gradients(self) -> None:
        """Free the gradients of the last step, as the next one would."""
        self.trainer.optimiser.zero_grad()


def _epochs(plan: Plan, store: Store, steps: int) -> int:
    config, recipe = plan.config, plan.config.recipe
    found = blocks(config.tasks, store.count("train"), config.split, plan.make_method().regime)
    images = min(len(block.images) for block in found) * recipe.crops_per_image
    return math.ceil(steps / max(1, len(batch_sizes(images, recipe.batch, recipe.drop_last))))

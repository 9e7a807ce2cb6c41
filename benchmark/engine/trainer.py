"""The loop over epochs and steps of one phase; everything about it that can be resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmark.config.recipe import Recipe
from benchmark.engine.contract import FirstStep, check_state, own_parameters
from benchmark.engine.optimiser import make_optimiser
from benchmark.errors import RunError
from benchmark.method import Method, Phase, Step
from benchmark.seeds import derive, generator_states, restore_generators, seed_everything

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass
class EpochReport:
    """Losses, rate and time of an epoch, as written to log.jsonl."""

    phase: int
    task: str
    epoch: int
    losses: dict[str, float]
    images_per_second: float
    seconds: float
    lr: float


@dataclass
class PhaseTrainer:
    """Trains one phase epoch by epoch; between two epochs its state can be saved and restored."""

    phase: Phase
    method: Method
    recipe: Recipe
    seed: int
    fabric: Fabric
    on_step: Callable[[int, int, float], None] = lambda epoch, images, seconds: None
    """Called after each step with the epoch, its images and its seconds so far."""
    epochs_done: int = 0
    seconds: float = 0.0
    images: int = 0
    steps: int = field(init=False, default=0)
    _checked: bool = field(init=False, default=False)
    """Whether a step was compared with what the interface asks for."""
    _before: dict[str, Tensor] = field(init=False, default_factory=dict)
    """The network's parameters before the latest update, for methods that edit updates."""

    def __post_init__(self) -> None:
        if self.phase.data.images_per_epoch < 2:
            raise RunError(f"phase {self.phase.number} has a single image and batch norm needs "
                           "two; set recipe.crops_per_image with a recipe.crop")
        parameters = [parameter for parameter in (
            *self.phase.network.parameters(), *own_parameters(self.method, self.phase.network))
                      if parameter.requires_grad]
        self.optimiser, self.schedule = make_optimiser(
            parameters, self.recipe, self.recipe.epochs * self.phase.data.steps_per_epoch)

    @property
    def finished(self) -> bool:
        """Whether all epochs of the recipe are done."""
        return self.epochs_done >= self.recipe.epochs

    def train_epoch(self) -> EpochReport:
        """Train one epoch. Raises `RunError`, naming phase, epoch, step, task and term, for a loss
        that is not finite."""
        epoch = self.epochs_done + 1
        begin, images, history = time.perf_counter(), 0, []
        for shown, terms in self.take_steps(epoch):
            history.append(terms)
            images += shown
            self.on_step(epoch, images, time.perf_counter() - begin)
        losses = self._mean(history, epoch)
        spent = time.perf_counter() - begin
        self.epochs_done, self.seconds = epoch, self.seconds + spent
        self.images, self.steps = self.images + images, self.steps + len(history)
        return EpochReport(phase=self.phase.number, task=self.phase.label, epoch=epoch,
                           losses=losses, images_per_second=images / spent, seconds=spent,
                           lr=float(self.schedule.get_last_lr()[0]))

    def take_steps(self, epoch: int) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """The steps of an epoch, counted from 1, each taken when it is asked for: its number of
        images and its loss terms, which stay on the device."""
        seed_everything(derive(self.seed, "phase", self.phase.number, "epoch", epoch))
        self.phase.network.train()
        for batch in self.phase.data.epoch(epoch):
            yield len(batch.images), self.train_step(Step(self.phase, batch))

    def train_step(self, step: Step) -> dict[str, Tensor]:
        """One update of the parameters; the loss terms, without gradient, on the device."""
        first = None if self._checked else FirstStep(self.method, step)
        with self.fabric.autocast():
            terms = self.method.loss(step)
        if first:
            first.check_loss(terms)
        total = torch.stack(list(terms.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(total)
        if first:
            first.check_gradients()
        if self.method.edits_updates():
            with torch.no_grad():
                self._keep_parameters()
            self.optimiser.step()
            with torch.no_grad():
                self.method.edit_update(step, self._before)
        else:
            self.optimiser.step()
        if first:
            first.check_update()
            check_state(self.method)
            self._checked = True
        self.schedule.step()
        return {name: term.detach() for name, term in terms.items()}

    def _keep_parameters(self) -> None:
        """Copy the network's parameters to `_before`, whose tensors are made once a phase."""
        live = dict(self.phase.network.named_parameters())
        if not self._before:
            self._before = {name: torch.empty_like(value) for name, value in live.items()}
        torch._foreach_copy_(list(self._before.values()), list(live.values()))

    def _mean(self, history: list[dict[str, Tensor]], epoch: int) -> dict[str, float]:
        """Mean of each term over the epoch's steps that have it; read from the device once, to
        let steps run without waiting, so a loss that is not finite is found here, not in its
        step."""
        keys = [(step, name) for step, terms in enumerate(history, 1) for name in terms]
        values = torch.stack([term.float() for terms in history for term in terms.values()]).cpu()
        bad = (~values.isfinite()).nonzero()
        if len(bad):
            first = int(bad[0])
            step, name = keys[first]
            task, _, term = name.partition("/")
            raise RunError(f"loss is {values[first].item()} in phase {self.phase.number}, "
                           f"epoch {epoch}, step {step}: task {task}, term '{term}'; "
                           "lower recipe.lr or the method's weight")
        found: dict[str, list[float]] = {}
        for (_, name), value in zip(keys, values.tolist(), strict=True):
            found.setdefault(name, []).append(value)
        return {name: sum(each) / len(each) for name, each in found.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes inside a phase; to be called between two epochs."""
        return {"network": self.phase.network.state_dict(), "method": self.method.state_dict(),
                "own": [parameter.data for parameter in self.method.parameters()],
                "optimiser": self.optimiser.state_dict(), "schedule": self.schedule.state_dict(),
                "epochs": self.epochs_done, "seconds": self.seconds, "images": self.images,
                "steps": self.steps, "generators": generator_states(),
                "passes": [self.phase.network.passes.forward, self.phase.network.passes.backward]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.phase.network.load_state_dict(state["network"])
        self.method.load_state_dict(state["method"])
        with torch.no_grad():
            for parameter, value in zip(self.method.parameters(), state["own"], strict=True):
                parameter.copy_(value)
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.epochs_done, self.seconds = state["epochs"], state["seconds"]
        self.images, self.steps = state["images"], state["steps"]
        passes = self.phase.network.passes
        passes.forward, passes.backward = state["passes"]
        restore_generators(state["generators"])  # for what is drawn after the last epoch


def train_phase(fabric: Fabric, phase: Phase, method: Method, seed: int) -> None:
    """Train all epochs of a phase without interruption, by the recipe of its network."""
    trainer = PhaseTrainer(phase, method, phase.network.recipe, seed, fabric)
    while not trainer.finished:
        trainer.train_epoch()


def images_per_second(images: int, seconds: float) -> float:
    """A rate that is 0, not infinite, for a phase that took no time."""
    return images / seconds if seconds > 0 and math.isfinite(seconds) else 0.0

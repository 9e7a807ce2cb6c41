"""Snapshots: a network's architecture and weights at one time, from which it can be rebuilt."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from torch import Tensor

from benchmark.model.network import Network
from benchmark.tasks import Task


class Snapshot:
    """Weights of a network, its backbone's name and its tasks; false while empty."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}
        self._backbone = ""
        self._tasks: list[dict[str, Any]] = []

    def __bool__(self) -> bool:
        return bool(self.weights)

    def capture(self, network: Network, tasks: Container[str] | None = None) -> None:
        """Copy the network's current state, with the heads of `tasks` (by default, of all)."""
        kept = [name for name in network.tasks if tasks is None or name in tasks]
        others = tuple(f"heads.{name}." for name in network.tasks.keys() - kept)
        self.weights = {name: value.detach().clone()
                        for name, value in network.state_dict().items()
                        if not name.startswith(others)}
        self._backbone = network.recipe.backbone
        self._tasks = [network.tasks[name].model_dump() for name in kept]

    def build(self, live: Network) -> Network:
        """The captured network, frozen and in eval mode, on the device of `live` and with its pass
        counter."""
        recipe = live.recipe.model_copy(update={"backbone": self._backbone, "weights": "none"})
        network = Network(recipe, live.seed).to(live.mean.device)
        network.passes = live.passes
        for task in self._tasks:
            network.add_head(Task.model_validate(task))
        network.load_state_dict(self.weights)
        return network.requires_grad_(False).eval()

    def state_dict(self) -> dict[str, Any]:
        """Everything, as tensors and JSON values."""
        if not self.weights:
            return {}
        return {"weights": dict(self.weights), "backbone": self._backbone, "tasks": self._tasks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.weights = dict(state.get("weights", {}))
        self._backbone, self._tasks = state.get("backbone", ""), list(state.get("tasks", []))

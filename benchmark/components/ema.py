"""The running average of a network: parameters and statistics alike."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.method import Step
from benchmark.model.network import Network
from benchmark.model.snapshot import Snapshot
from benchmark.tasks import Task


class RunningAverage:
    """A copy that follows a network: theta <- theta + rate (theta_live - theta)."""

    def __init__(self) -> None:
        self.past = Snapshot()
        """The average as it is now."""
        self._network: Network | None = None

    def __bool__(self) -> bool:
        return bool(self.past)

    @torch.no_grad()
    def follow(self, live: Network, rate: float, tasks: Container[str] | None = None) -> None:
        """Go the share `rate` of the way to the live network, with the heads of `tasks` (by
        default all). A head that is not in the average yet joins as it is."""
        mine, theirs = self._ready(live, tasks).state_dict(), live.state_dict()
        # Not the count of batches, which nobody reads.
        moved = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[name] for name in moved], [theirs[name] for name in moved], rate)

    def _ready(self, live: Network, tasks: Container[str] | None) -> Network:
        """The averaged network, with every head of the live one that is wanted."""
        wanted = {name for name in live.tasks if tasks is None or name in tasks}
        if self._network is None or not wanted <= self._network.tasks.keys():
            known = self.past.weights
            self.past.take(live, wanted)
            self.past.weights |= known
            self._network = None
        return self._built(live)

    def _built(self, live: Network) -> Network:
        """The average as a network whose tensors are those of the state."""
        if self._network is None:
            self._network = self.past.build(live)
            self.past.weights = dict(self._network.state_dict())
        return self._network

    @torch.no_grad()
    def outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, H, W] of `tasks` on the step's images, without gradient."""
        return self._built(step.network).outputs(step.images, [task.name for task in tasks])

    def state_dict(self) -> dict[str, Any]:
        """Everything, as tensors and JSON values."""
        return self.past.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.past.load_state_dict(state)
        self._network = None

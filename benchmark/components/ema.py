"""The running average of a network: an exponential moving average of its whole state."""

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
    """The average of a network's parameters and running statistics over its updates:
    theta <- theta + rate (theta_live - theta). False before the first update."""

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        """The average as it is now."""
        self._network: Network | None = None

    def __bool__(self) -> bool:
        return bool(self.snapshot)

    @torch.no_grad()
    def update(self, live: Network, rate: float, tasks: Container[str] | None = None) -> None:
        """Move the average by the share `rate` towards the live network, with the heads of `tasks`
        (by default, of all). A head that is new to the average is copied as it is."""
        averaged, current = self._with_heads(live, tasks).state_dict(), live.state_dict()
        # All but batch norm's count of batches, an integer that is never used.
        names = [name for name, value in averaged.items() if value.is_floating_point()]
        torch._foreach_lerp_([averaged[name] for name in names], [current[name] for name in names],
                             rate)

    def _with_heads(self, live: Network, tasks: Container[str] | None) -> Network:
        """The averaged network, with the live one's heads of `tasks`."""
        wanted = {name for name in live.tasks if tasks is None or name in tasks}
        if self._network is None or not wanted <= self._network.tasks.keys():
            averaged = self.snapshot.weights
            self.snapshot.capture(live, wanted)
            self.snapshot.weights |= averaged
            self._network = None
        return self.network(live)

    def network(self, live: Network) -> Network:
        """The averaged network, whose tensors are those of the snapshot; built when it is first
        asked for, on the device of `live`."""
        if self._network is None:
            self._network = self.snapshot.build(live)
            self.snapshot.weights = dict(self._network.state_dict())
        return self._network

    @torch.no_grad()
    def outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, H, W] of `tasks` on the step's images, without gradient."""
        return self.network(step.network).outputs(step.images, [task.name for task in tasks])

    def state_dict(self) -> dict[str, Any]:
        """Everything, as tensors and JSON values."""
        return self.snapshot.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.snapshot.load_state_dict(state)
        self._network = None

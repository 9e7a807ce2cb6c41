"""A-GEM: Averaged Gradient Episodic Memory (Chaudhry et al. 2019), for any dense task."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.components.replay import Replay, ReplayConfig
from benchmark.method import Step, setting
from benchmark.model.network import Network


class AGEM(Replay):
    """d <- d - strength * max(d . g, 0) / (g . g) * g, d being what a step added to the backbone.

    g is the mean over the old tasks among the drawn exemplars of grad l_k / ||grad l_k||, taken
    before the step, in eval mode: to first order no step raises the exemplars' loss. Ours are the
    unit norms (else the task of the largest losses decides), and that the applied step is edited,
    not the gradient: Adam and weight decay would undo that. The optimiser's moments stay as they
    are. Old heads do not learn, not even the fresh ones on a new backbone.
    """

    class Config(ReplayConfig):
        strength: float = setting(1.0, "share of the harmful part that is taken off", "paper",
                                  ge=0, le=1)

    name = "agem"
    summary = "takes off each step what would raise the loss on kept images"
    reference = "Chaudhry et al., Efficient Lifelong Learning with A-GEM, ICLR 2019"
    zero = {"strength": 0.0}
    grid = {"replay_batch": [4, 8, 16, 32], "strength": [0.5, 1.0]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._uphill: Tensor | None = None

    def loss(self, step: Step) -> dict[str, Tensor]:
        self._uphill = self.uphill(step)
        return step.new_losses()

    def uphill(self, step: Step) -> Tensor | None:
        """g as one vector; None without exemplars, or with a backbone that does not learn."""
        groups, learnt = self.sample(), list(_learnt(step.network).values())
        if not groups or not learnt:
            return None
        step.network.eval()
        directions = []
        for group in groups:  # a pass for each: a task's gradient concerns its own images only
            raw = step.network.decode(group.task, step.network.encode(group.images))
            loss = self.supervised(step, [group], [raw])[group.task]
            gradient = torch.cat([part.flatten() for part in torch.autograd.grad(loss, learnt)])
            directions.append(F.normalize(gradient, dim=0))
        step.network.train()
        return torch.stack(directions).mean(0)

    def edit_update(self, step: Step, before: Mapping[str, Tensor]) -> None:
        if (uphill := self._uphill) is None:
            return
        learnt = _learnt(step.network)
        update = torch.cat([(value - before[f"backbone.{name}"]).flatten()
                            for name, value in learnt.items()])
        share = (update @ uphill).clamp(min=0) / uphill.square().sum().clamp(min=1e-12)
        harm = self.config.strength * share * uphill
        sizes = [value.numel() for value in learnt.values()]
        for value, part in zip(learnt.values(), harm.split(sizes), strict=True):
            value.sub_(part.view_as(value))


def _learnt(network: Network) -> dict[str, nn.Parameter]:
    return {name: value for name, value in network.backbone.named_parameters()
            if value.requires_grad}

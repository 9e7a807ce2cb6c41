"""A-GEM: Averaged Gradient Episodic Memory (Chaudhry et al. 2019), for any dense task."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.components.replay import Replay, ReplayConfig
from benchmark.method import Step, setting


class AGEM(Replay):
    """d <- d - strength * max(d . g, 0) / (g . g) * g, d being what a step added to the backbone.

    g is the mean over the old tasks among the sampled exemplars of grad l_k / ||grad l_k||, taken
    before the step, in eval mode: to first order no step raises the exemplars' loss. Ours are the
    unit norms (else the task of the largest losses decides), and that the applied step is edited,
    not the gradient: Adam and weight decay would undo that. The optimiser's moments stay as they
    are. Old heads are not trained, not even the fresh ones on a new backbone.
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
        self._reference: Tensor | None = None

    def loss(self, step: Step) -> dict[str, Tensor]:
        self._reference = self.reference_gradient(step)
        return step.new_losses()

    def reference_gradient(self, step: Step) -> Tensor | None:
        """g as one vector; None without exemplars, or with a frozen backbone."""
        groups, parameters = self.sample(), list(step.network.trainable_backbone().values())
        if not groups or not parameters:
            return None
        step.network.eval()
        directions = []
        for group in groups:  # a pass for each: a task's gradient concerns its own images only
            raw = step.network.decode(group.task, step.network.encode(group.images))
            loss = self.supervised_losses(step, [group], [raw])[group.task]
            gradients = torch.autograd.grad(loss, parameters)
            directions.append(F.normalize(torch.cat([part.flatten() for part in gradients]), dim=0))
        step.network.train()
        return torch.stack(directions).mean(0)

    def edit_update(self, step: Step, before: Mapping[str, Tensor]) -> None:
        if (reference := self._reference) is None:
            return
        parameters = step.network.trainable_backbone()
        update = torch.cat([(value - before[f"backbone.{name}"]).flatten()
                            for name, value in parameters.items()])
        share = (update @ reference).clamp(min=0) / reference.square().sum().clamp(min=1e-12)
        harm = self.config.strength * share * reference
        sizes = [value.numel() for value in parameters.values()]
        for value, part in zip(parameters.values(), harm.split(sizes), strict=True):
            value.sub_(part.view_as(value))

"""Joint training: all tasks at once, the bound a lifelong learner is measured against."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from benchmark.method import JointMethod, MethodConfig, Phase, Step, setting


class Joint(JointMethod):
    """One phase over all images. With `labels=own` an image carries the label of its block's task
    only: the data of the stream, without the order. With `labels=all` every image carries all
    labels (ordinary multi-task learning), which no lifelong learner could reach.

    Uncertainty weighting: sum_k l_k / (2 exp s_k) + s_k / 2 with trained s_k, s_k = -0.5 at first
    (Kendall et al. 2018, in LibMTL's form).
    """

    class Config(MethodConfig):
        labels: Literal["own", "all"] = setting(
            "own", "own block's labels, or all labels on all images", "ours")
        weighting: Literal["equal", "uncertainty"] = setting(
            "equal", "equal weights or learnt ones (Kendall et al. 2018)", "ours")

    name = "joint"
    summary = "learns all tasks together from all blocks"
    family = "reference"
    reference = "Kendall et al. 2018 (uncertainty weighting)"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._scales: list[nn.Parameter] = []

    def begin_phase(self, phase: Phase) -> None:
        device = next(phase.network.parameters()).device
        self._scales = [nn.Parameter(torch.tensor(-0.5, device=device)) for _ in phase.tasks]

    def parameters(self) -> list[nn.Parameter]:
        return self._scales if self.config.weighting == "uncertainty" else []

    def loss(self, step: Step) -> dict[str, Tensor]:
        terms = step.new_losses()
        if self.config.weighting == "equal":
            return terms
        return {name: term / (2 * scale.exp()) + scale / 2
                for (name, term), scale in zip(terms.items(), self._scales, strict=True)}

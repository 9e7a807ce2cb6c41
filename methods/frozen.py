"""Frozen: no forgetting by construction, because the shared features no longer change."""

from typing import Literal

from benchmark.method import Method, MethodConfig, Phase, setting


class Frozen(Method):
    """Feature extraction: the backbone (batch norm included) is fixed, only heads are trained.

    `start` trains heads on the initial weights; with `after_first` the first task trains the
    backbone (as in SSUL, Cha et al. 2021, and FACIL's freezing). Either gives a constant row from
    then on.
    """

    class Config(MethodConfig):
        when: Literal["start", "after_first", "never"] = setting(
            "after_first", "when the backbone stops learning", "ours")

    name = "frozen"
    summary = "stops the backbone from learning, at the start or after the first phase"
    family = "reference"
    zero = {"when": "never"}
    grid = {"when": ["after_first", "start"]}

    def begin_phase(self, phase: Phase) -> None:
        if self.config.when == "start" or (self.config.when == "after_first" and phase.number > 1):
            phase.network.freeze_backbone()

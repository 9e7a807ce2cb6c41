"""ER: experience replay of labelled exemplars (Chaudhry et al. 2019), for any dense task."""

from torch import Tensor

from benchmark.components.replay import Replay, ReplayConfig
from benchmark.method import Step, setting


class ER(Replay):
    """L = L_new + beta * mean over the old tasks among the sampled exemplars of their losses."""

    class Config(ReplayConfig):
        beta: float = setting(1.0, "factor of the exemplars' supervised loss", "paper", ge=0)

    name = "er"
    summary = "learns from kept images and labels of old tasks beside each batch"
    reference = "Chaudhry et al., On Tiny Episodic Memories in Continual Learning, 2019"
    grid = {"beta": [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]}

    def loss(self, step: Step) -> dict[str, Tensor]:
        groups = self.sample()
        losses = self.supervised_losses(step, groups, self.outputs(step, groups))
        return step.new_losses() | self.terms(step, "replay", self.config.beta, losses)

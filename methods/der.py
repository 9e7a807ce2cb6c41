"""DER: Dark Experience Replay (Buzzega et al. 2020), for any dense task."""

from torch import Tensor

from benchmark.components.replay import OutputReplay, ReplayConfig
from benchmark.method import Step, setting


class DER(OutputReplay):
    """L = L_new + alpha * mean over the old tasks among the sampled exemplars of D_k.

    D_k = mean (o_k - z_k)^2 / Var(z_k): o_k the raw output before it is enlarged, z_k the stored
    one, Var over all stored outputs of the task, at least 1e-4 of their mean square, so that alpha
    is free of units (ours; the paper has logits only). z_k is the network's output at the end of
    the task's phase, in eval mode, on the very image that is stored (the paper: in training, on its
    augmented version).
    """

    class Config(ReplayConfig):
        alpha: float = setting(0.5, "factor of the distance to stored outputs", "paper", ge=0)

    name = "der"
    summary = "matches stored outputs on kept images of old tasks"
    reference = "Buzzega et al., Dark Experience for General Continual Learning, NeurIPS 2020"
    zero = {"alpha": 0.0}
    grid = {"alpha": [0.1, 0.2, 0.5, 1.0, 2.0, 5.0]}

    def loss(self, step: Step) -> dict[str, Tensor]:
        groups = self.sample()
        losses = self.output_losses(groups, self.outputs(step, groups))
        return step.new_losses() | self.terms(step, "output", self.config.alpha, losses)

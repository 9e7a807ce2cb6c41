"""DER++: Dark Experience Replay with labels (Buzzega et al. 2020), for any dense task."""

from torch import Tensor

from benchmark.components.buffer import IMAGE, OUTPUT, TARGET
from benchmark.components.replay import OutputReplay, ReplayConfig
from benchmark.method import Step, setting


class DERPP(OutputReplay):
    """L = L_new + alpha * mean_k D_k(first sample) + beta * mean_k l_k(second sample).

    D_k is DER's distance to stored outputs, l_k the supervised loss, each a mean over the old
    tasks among the exemplars of its own sample. Both go through the backbone in one pass.
    """

    class Config(ReplayConfig):
        alpha: float = setting(0.5, "factor of the distance to stored outputs", "paper", ge=0)
        beta: float = setting(0.5, "factor of the exemplars' supervised loss", "paper", ge=0)

    name = "derpp"
    summary = "matches stored outputs and learns from labels of kept images"
    reference = "Buzzega et al., Dark Experience for General Continual Learning, NeurIPS 2020"
    stores = "exemplars: images, labels, outputs before they are enlarged"
    zero = {"alpha": 0.0, "beta": 0.0}
    grid = {"alpha": [0.2, 0.5, 1.0, 2.0], "beta": [0.2, 0.5, 1.0, 2.0]}
    sample_parts = (IMAGE, TARGET, OUTPUT)

    def loss(self, step: Step) -> dict[str, Tensor]:
        first = self.sample() if self.config.alpha else []
        second = self.sample() if self.config.beta else []
        raws = self.outputs(step, first + second)
        outputs = self.output_losses(first, raws[:len(first)])
        supervised = self.supervised_losses(step, second, raws[len(first):])
        return (step.new_losses() | self.terms(step, "output", self.config.alpha, outputs)
                | self.terms(step, "replay", self.config.beta, supervised))

"""EWC: Elastic Weight Consolidation (Kirkpatrick et al. 2017), online (Schwarz et al. 2018)."""

from torch import Tensor

from benchmark.components.importance import Importance, Parameters, gradient_importance
from benchmark.method import MethodConfig, Phase, Step, setting
from benchmark.tasks import Task
from benchmark.tasks.kinds import kind_of


class EWC(Importance):
    """L = L_new + weight / 2 * sum_i F_i (theta_i - theta*_i)^2 over the backbone's parameters.

    F is the diagonal of the empirical Fisher (true labels, squared gradients of single images,
    network in eval mode), divided by its mean so that tasks of different units add up; it decays
    by gamma when a new task's is added. Published weights do not carry over: estimators differ by
    powers of batch size and pixel count. Running statistics of batch norm are not protected; see
    recipe.batch_norm.
    """

    class Config(MethodConfig):
        weight: float = setting(100.0, "factor of the quadratic penalty (lambda)", "ours", ge=0)
        gamma: float = setting(1.0, "decay of the older tasks' importance", "released code",
                               ge=0, le=1)

    name = "ewc"
    summary = "holds parameters back by their importance for old tasks"
    reference = "Kirkpatrick et al. 2017; Schwarz et al. 2018 (online)"
    grid = {"weight": [1.0, 10.0, 100.0, 1000.0, 10000.0]}

    def importance(self, phase: Phase) -> Parameters:
        return gradient_importance(phase, _loss, Tensor.square)


def _loss(step: Step, task: Task) -> Tensor:
    return kind_of(task).loss(step.output(task), step.batch.targets[task.name])

"""LwF: Learning without Forgetting (Li and Hoiem 2016), for any dense task."""

from benchmark.components.distillation import OutputDistillation


class LwF(OutputDistillation):
    """L = L_new + weight * sum_k w_k * mean over pixels of the distance to the teacher's output.

    The distance is the task kind's: T^2 KL for classes, L1 for maps, 1 - cos for directions. T = 2
    is the paper's, the factor T^2 Hinton et al.'s, so a weight of 1 is T^2 times the paper's.
    With `scale=loss`, w_k is 1 / (task k's supervised loss when its phase ended), which makes
    `weight` free of units (our choice: the paper has classification tasks only).
    """

    name = "lwf"
    summary = "matches the previous network's outputs on the new images"
    reference = "Li and Hoiem, Learning without Forgetting, 2016"
    grid = {"weight": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0]}

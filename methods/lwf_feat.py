"""LwF on outputs and features: ILT (Michieli and Zanuttigh 2019), for any dense task."""

from torch import Tensor
from torch.nn import functional as F

from benchmark.components.distillation import OutputConfig, OutputDistillation
from benchmark.method import Phase, Step, setting


class LwFFeat(OutputDistillation):
    """L = L_new + weight * sum_k w_k D(o_k, o_k^T) + feature_weight * mean (f - f^T)^2.

    D and w_k as in lwf; f are the backbone's last features, f^T the teacher's on the same images,
    the mean goes over batch, channels and positions (ILT's encoder term, for no task alone). The
    published weight fits its backbone and optimiser: the size of features depends on the
    backbone. Features of another architecture are not comparable: after a change of backbone only
    the outputs are matched. ILT's class-incremental parts (masked targets) have no meaning with
    one head per task.
    """

    class Config(OutputConfig):
        feature_weight: float = setting(100.0, "factor of the features' squared error",
                                        "released code", ge=0)

    name = "lwf_feat"
    summary = "matches the previous network's outputs and its last features"
    reference = "Michieli and Zanuttigh, Incremental Learning Techniques for Semantic " \
                "Segmentation, ICCVW 2019"
    zero = {"weight": 0.0, "feature_weight": 0.0}
    grid = {"weight": [0.3, 1.0, 3.0, 10.0], "feature_weight": [10.0, 100.0, 1000.0]}

    def matches_features(self, phase: Phase) -> bool:
        return bool(self.config.feature_weight) and not phase.new_backbone

    def feature_terms(self, step: Step) -> dict[str, Tensor]:
        if not self.matches_features(step.phase):
            return {}
        error = F.mse_loss(step.features.float(), self.teacher.features(step).float())
        return {"backbone/features": self.config.feature_weight * error}

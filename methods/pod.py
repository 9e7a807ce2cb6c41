"""Local POD: PLOP's distillation of pooled features (Douillard et al. 2021), for any dense task."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.components.distillation import OutputConfig, OutputDistillation
from benchmark.method import Phase, Step, setting

SCALES = (1, 2, 4)


class POD(OutputDistillation):
    """L = L_new + weight * sum_k w_k D(o_k, o_k^T)
             + pod_weight * sqrt(t) * mean over stages s of ||e(h_s) - e(h_s^T)|| / ||e(h_s^T)||.

    D and w_k as in lwf. h_s are the features after stage s of the backbone, e(h) the means of h^2
    over the width and over the height of every region, for 1, 2 and 4 regions a side; norms are
    taken per image and averaged; t is the number of tasks so far (PLOP: classes, per new class).

    Ours: each stage's error is relative to the teacher's embedding, so that stages and backbones
    count alike (PLOP has a factor per layer); regions are h//s by w//s for images that are not
    square, the rest at the border is left out, and so is a scale of more regions than positions;
    PLOP's POD on logits is the output term. PLOP's pseudo-labels correct the shift of the
    background class, which separate heads do not have. Stages of another architecture are not
    comparable: after a change of backbone only the outputs are matched.
    """

    class Config(OutputConfig):
        pod_weight: float = setting(1.0, "factor of the pooled features' relative error", "ours",
                                    ge=0)

    name = "pod"
    summary = "matches the previous network's outputs and pooled features of all stages"
    reference = "Douillard et al., PLOP, CVPR 2021"
    zero = {"weight": 0.0, "pod_weight": 0.0}
    grid = {"weight": [0.3, 1.0, 3.0, 10.0], "pod_weight": [0.1, 1.0, 10.0]}

    def matches_features(self, phase: Phase) -> bool:
        return bool(self.config.pod_weight) and not phase.new_backbone

    def feature_terms(self, step: Step) -> dict[str, Tensor]:
        phase = step.phase
        if not self.matches_features(phase):
            return {}
        factor = (1 + len(phase.old_tasks) / len(phase.tasks)) ** 0.5
        error = local_pod(step.stages, self.teacher.stages(step))
        return {"backbone/pod": self.config.pod_weight * factor * error}


def local_pod(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Mean over stages and images of the relative distance between embeddings of the features
    [B, C_s, h_s, w_s] of student and teacher."""
    errors = []
    for features, teacher_features in zip(student, teacher, strict=True):
        target = embedding(teacher_features)
        distance = torch.linalg.vector_norm(embedding(features) - target, dim=1)
        size = torch.linalg.vector_norm(target, dim=1)
        errors.append((distance / size.clamp(min=1e-12)).mean())
    return torch.stack(errors).mean()


def embedding(features: Tensor) -> Tensor:
    """e(h): features [B, C, h, w] to [B, n], the pooled squares of all regions at all scales."""
    squares = (features if features.dtype == torch.float64 else features.float()).square()
    images, channels, height, width = squares.shape
    parts = []
    for scale in SCALES:
        high, wide = height // scale, width // scale
        if high and wide:
            regions = squares[:, :, :scale * high, :scale * wide].reshape(
                images, channels, scale, high, scale, wide)
            parts += [regions.mean(5).flatten(1), regions.mean(3).flatten(1)]
    return torch.cat(parts, dim=1)

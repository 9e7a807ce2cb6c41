"""LwP: Learning with Preserving (2025), for any dense task: distances between features are kept."""

import torch
from torch import Tensor

from benchmark.components.distillation import OutputConfig, OutputDistillation
from benchmark.method import Phase, Step, kinds, setting


class LwP(OutputDistillation):
    """L = L_new + weight * sum_k w_k D(o_k, o_k^T)
             + distance_weight * mean_ij m_ij ((d(z_i, z_j) - d(z_i^T, z_j^T)) / s)^2.

    D and w_k as in lwf; z are features, z^T those of the network of the phase before, d the squared
    Euclidean distance, m_ij = 1 where the labels of i and j are alike, else 0: the structure of the
    old feature space is kept where the new task does not ask for another.

    Ours, the dense form (the paper has one feature and one class per image): i and j are `cells`
    positions of the last features, drawn anew in every step from those of the whole batch whose
    nearest pixel has a valid label. Alike are the same class, the same tenth of a map's range of
    values in the step, or directions less than 22.5 degrees apart (`Kind.alike`). s is the mean of
    d(z_i^T, z_j^T), so that the weight does not depend on the size of features. Features of another
    architecture are not comparable: after a change of backbone only the outputs are matched.
    """

    class Config(OutputConfig):
        distance_weight: float = setting(0.05, "factor of the distances' squared error", "paper",
                                         ge=0)
        cells: int = setting(256, "feature positions whose distances are compared in a step",
                             "ours", ge=2)

    name = "lwp"
    summary = "matches the previous network's outputs and the distances between its features"
    reference = "Learning with Preserving, arXiv 2511.11676, AAAI 2026"
    zero = {"weight": 0.0, "distance_weight": 0.0}
    grid = {"weight": [0.3, 1.0, 3.0], "distance_weight": [0.05, 0.5, 5.0]}

    def matches_features(self, phase: Phase) -> bool:
        return bool(self.config.distance_weight) and not phase.new_backbone

    def feature_terms(self, step: Step) -> dict[str, Tensor]:
        if not self.matches_features(step.phase):
            return {}
        features = _cells(step.features)
        teacher = _cells(self.teacher.features(step))
        size = step.features.shape[-2:]
        terms = {}
        for task, kind in kinds(step.phase.tasks):
            target = kind.resize(step.batch.targets[task.name], (size[0], size[1]))
            labels = _cells(target) if target.dim() == 4 else target.flatten()
            valid = kind.valid(target).flatten()
            # Valid cells first, in random order: how many there are is never read.
            order = (torch.rand(len(valid), device=valid.device) - valid.float()).argsort()
            chosen = order[:self.config.cells]
            counted = valid[chosen]
            own = labels[torch.where(counted, chosen, chosen[0])]
            error = distance_error(features[chosen], teacher[chosen], kind.alike(own), counted)
            terms[f"{task.name}/distances"] = self.config.distance_weight * error
        return terms


def distance_error(features: Tensor, teacher: Tensor, alike: Tensor, valid: Tensor) -> Tensor:
    """Mean over all pairs of the `valid` (bool [N]) among N features [N, C], of which those `alike`
    (bool [N, N]) count, of the squared error of their squared distances relative to the teacher's
    mean; 0 for less than two."""
    pairs = valid[:, None] & valid
    number = pairs.sum().clamp(min=1)
    target = squared_distances(teacher)
    size = ((target * pairs).sum() / number).clamp(min=torch.finfo(target.dtype).tiny)
    errors = (squared_distances(features) - target) / size
    return (errors.square() * (alike & pairs)).sum() / number


def squared_distances(features: Tensor) -> Tensor:
    """Squared Euclidean distances [N, N] of features [N, C], in float32 or float64."""
    precise = features if features.dtype == torch.float64 else features.float()
    with torch.autocast(precise.device.type, enabled=False):
        norms = precise.square().sum(1)
        return (norms[:, None] + norms - 2 * precise @ precise.mT).clamp(min=0)


def _cells(maps: Tensor) -> Tensor:
    """Maps [B, C, h, w] as rows [B h w, C]."""
    return maps.movedim(1, -1).flatten(0, 2)

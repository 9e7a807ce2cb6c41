"""HeteroAKD in lifelong form (after Huang et al. 2025): the old network as the teacher."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from benchmark.components.distillation import OutputConfig, OutputDistillation
from benchmark.method import Phase, Step, kinds, setting
from benchmark.tasks import Task
from benchmark.tasks.kinds import Kind
from methods._heteroakd import Axis, alignments


class HeteroAKD(OutputDistillation):
    """L = L_new + weight * sum_k w_k [ label_weight L_k + output_weight D(o_k, o_k^T)
                                     + hybrid_weight L_hakd,k + A_k ].

    D and w_k as in lwf. For every old task, last features of teacher and student go through 1x1
    convolution, batch norm and ReLU to aligned maps z_t, z_s, one channel per class. H(z) is the
    one-vs-rest cross-entropy of sigmoid(z) against the label; S = 1 - H(z_t) / (H(z_t) + H(z_s));
    z_hyb = S z_t + (1 - S) z_s; W = softmax(H(z_s) + max(0, H(z_s) - H(z_hyb)));
    L_hakd = mean of W softmax(z_hyb / T) (-log softmax(z_s / T)). The teacher is the network of
    the phase before, of whatever architecture.

    Ours: an old task has no ground truth on new images, the teacher's pseudo-label stands in for
    it, in H and in the supervised loss L_k. A binary task has two classes. For maps H is the task's
    own loss, z has the map's channels and no ReLU, directions are mixed as unit vectors, and L_hakd
    is W times the distance between z_s and z_hyb. z_hyb and W are held fixed; the projections are
    trained by A_k, the mean of H over both, without gradient to the features. All is computed at
    feature resolution. W is over space (public ports have space or classes), scaled to mean 1.
    """

    class Config(OutputConfig):
        weight: float = setting(1.0, "factor of everything that is distilled", "ours", ge=0)
        label_weight: float = setting(1.0, "factor of the loss against the pseudo-label", "ours",
                                      ge=0)
        output_weight: float = setting(0.1, "factor of the outputs' distance", "paper", ge=0)
        hybrid_weight: float = setting(1.0, "lambda_h, as in public ports", "ours", ge=0)
        hybrid_temperature: float = setting(4.0, "T of the aligned maps, as in public ports",
                                            "ours", gt=0)
        axis: Axis = setting("space", "what W is a softmax over", "ours")

    name = "heteroakd"
    summary = "matches old outputs, and features mixed with the student's own by reliability"
    reference = "Huang et al., Distilling Knowledge from Heterogeneous Architectures for " \
                "Semantic Segmentation, AAAI 2025"
    grid = {"weight": [0.3, 1.0, 3.0, 10.0], "hybrid_weight": [0.3, 1.0, 3.0]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._alignments = nn.ModuleDict()

    def share(self, old_tasks: int) -> float:
        return float(self.config.weight)

    def old_loss(self, task: Task, kind: Kind, raw: Tensor, teacher: Tensor) -> Tensor:
        label = self.scaled(task, kind.loss(raw, kind.pseudo_label(teacher)))
        output = super().old_loss(task, kind, raw, teacher)
        both: Tensor = self.config.label_weight * label + self.config.output_weight * output
        return both

    def matches_features(self, phase: Phase) -> bool:
        return bool(self.config.hybrid_weight)

    def begin_phase(self, phase: Phase) -> None:
        super().begin_phase(phase)
        self._alignments = nn.ModuleDict()
        if self.teacher and self.active and self.matches_features(phase):
            self._alignments = alignments(phase.old_tasks, self.teacher.channels, phase.network,
                                          phase.number)

    def parameters(self) -> Iterable[nn.Parameter]:
        return self._alignments.parameters()

    def feature_terms(self, step: Step) -> dict[str, Tensor]:
        if not self._alignments:
            return {}
        config, old, terms = self.config, step.phase.old_tasks, {}
        outputs, features = self.teacher.coarse_outputs(step, old), self.teacher.features(step)
        for task, kind in kinds(old):
            label = kind.pseudo_label(outputs[task.name].float())
            hybrid, aligned = self._alignments[task.name](
                features, step.features, label, config.axis, config.hybrid_temperature)
            both = config.hybrid_weight * hybrid + aligned
            terms[f"{task.name}/hybrid"] = config.weight * self.scaled(task, both)
        return terms

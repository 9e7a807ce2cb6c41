"""HeteroAKD as published (Huang et al. 2025): a strong teacher of another architecture."""

from collections.abc import Iterable
from typing import Any, Literal

from torch import Tensor, nn

from benchmark.components.teacher import Teacher
from benchmark.components.train_teacher import train_teacher
from benchmark.method import JointMethod, MethodConfig, Phase, Step, kinds, setting
from methods._heteroakd import Axis, alignments


class HeteroAKDOffline(JointMethod):
    """L = sum_k L_k + weight * sum_k [ output_weight D(o_k, o_k^T)
                                     + hybrid_weight L_hakd,k + A_k ].

    A teacher with another backbone is trained on all tasks first, then the network with its help.
    D is the task kind's distance, L_hakd and A those of heteroakd, with the labels themselves in
    H; our choices in them are listed there. A sequence of one segmentation task is the paper's
    setting. Ours too: the teacher is trained by the phase's own recipe (the paper's are
    pretrained). Without weight it is joint training.
    """

    class Config(MethodConfig):
        weight: float = setting(1.0, "factor of everything that is distilled", "ours", ge=0)
        output_weight: float = setting(0.1, "factor of the outputs' distance", "paper", ge=0)
        hybrid_weight: float = setting(1.0, "lambda_h, as in public ports", "ours", ge=0)
        temperature: float = setting(4.0, "T of outputs and aligned maps, as in public ports",
                                     "ours", gt=0)
        axis: Axis = setting("space", "what W is a softmax over", "ours")
        teacher_backbone: str = setting("pvt_v2_b0", "the teacher's backbone", "ours")
        teacher_epochs: int | None = setting(None, "the teacher's epochs; none: the recipe's",
                                             "ours", ge=1)
        labels: Literal["own", "all"] = setting(
            "all", "own block's labels, or all labels on all images", "paper")

    name = "heteroakd_offline"
    summary = "distils a teacher with another backbone, all tasks at once"
    family = "distillation"
    reference = "Huang et al., Distilling Knowledge from Heterogeneous Architectures for " \
                "Semantic Segmentation, AAAI 2025"
    needs = ("teacher",)
    zero = {"weight": 0.0}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._teacher = Teacher()
        self._alignments = nn.ModuleDict()

    def begin_phase(self, phase: Phase) -> None:
        if self.active:
            epochs = self.config.teacher_epochs or phase.network.recipe.epochs
            self._teacher = Teacher(train_teacher(phase, phase.tasks, epochs,
                                                  backbone=self.config.teacher_backbone))
            self._teacher.begin_phase(phase, stages=True, tasks=phase.tasks)
            self._alignments = alignments(phase.tasks, self._teacher.channels, phase.network,
                                          phase.number)

    def parameters(self) -> Iterable[nn.Parameter]:
        return self._alignments.parameters()

    def loss(self, step: Step) -> dict[str, Tensor]:
        terms, config = step.new_losses(), self.config
        if not self.active:
            return terms
        outputs = self._teacher.outputs(step, step.phase.tasks)
        features = self._teacher.features(step)
        for task, kind in kinds(step.phase.tasks):
            distance = kind.distance(step.output(task), outputs[task.name],
                                     temperature=config.temperature).mean()
            hybrid, aligned = self._alignments[task.name](
                features, step.features, step.batch.targets[task.name], config.axis,
                config.temperature)
            terms[f"{task.name}/output"] = config.weight * config.output_weight * distance
            terms[f"{task.name}/hybrid"] = config.weight * (config.hybrid_weight * hybrid + aligned)
        return terms

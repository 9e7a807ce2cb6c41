"""iCaRL (Rebuffi et al. 2017) for any dense task: herded exemplars and distillation."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.components.replay import Replay, ReplayConfig, decode_exemplars
from benchmark.components.teacher import Teacher
from benchmark.method import Phase, State, Step, kinds, phase_batches, setting


class ICaRL(Replay):
    """L = L_new + beta * mean_k l_k(exemplars) + weight * sum_k D_k(batch and exemplars).

    Ours throughout, since the paper classifies: a task takes the place of a class. Each of the t
    tasks so far may fill a t-th of the buffer, with the images whose mean feature comes nearest to
    that of all (an image's feature: the average over positions, scaled to length one); the first
    chosen are kept longest. D_k is the mean over images and pixels of the kind's distance to the
    network of the phase before. Exemplars are sampled for each batch, not merged into the epoch.
    Heads predict: a nearest mean has no meaning for maps.
    """

    class Config(ReplayConfig):
        beta: float = setting(1.0, "factor of the exemplars' supervised loss", "paper", ge=0)
        weight: float = setting(1.0, "factor of the distillation terms", "paper", ge=0)
        selection: Literal["herding", "random"] = setting(
            "herding", "how a task's exemplars are chosen", "paper")

    name = "icarl"
    summary = "replays herded exemplars and distils from the network of the phase before"
    reference = "Rebuffi et al., iCaRL, CVPR 2017"
    stores = "exemplars: images, labels; the network of the phase before"
    needs = ("exemplars", "teacher")
    zero = {"beta": 0.0, "weight": 0.0}
    grid = {"weight": [0.3, 1.0, 3.0], "beta": [0.5, 1.0, 2.0, 4.0]}
    quotas = True

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.teacher = Teacher()

    def begin_phase(self, phase: Phase) -> None:
        if self.config.weight:
            self.teacher.begin_phase(phase)

    def loss(self, step: Step) -> dict[str, Tensor]:
        groups, images, features = self.sample(), None, None
        if groups:
            images = torch.cat([group.images for group in groups])
            features = step.encode_jointly(images)
        terms = step.new_losses()
        if self.config.beta:
            supervised = self.supervised_losses(step, groups, self.outputs(step, groups, features))
            terms |= self.terms(step, "replay", self.config.beta, supervised)
        if self.config.weight and step.phase.old_tasks:
            terms |= self._distillation_terms(step, images, features)
        return terms

    def _distillation_terms(self, step: Step, images: Tensor | None,
                            features: Tensor | None) -> dict[str, Tensor]:
        """Distances to the teacher on the batch and on exemplars, given the exemplars' images and
        features (None without exemplars)."""
        old, terms = step.phase.old_tasks, {}
        on_batch = self.teacher.outputs(step, old)
        on_exemplars = {} if images is None else self.teacher.outputs_on(images, old)
        for task, kind in kinds(old):
            distances = [kind.distance(step.output(task), on_batch[task.name])]
            if images is not None and features is not None:
                raw = step.network.enlarge(decode_exemplars(step, task.name, features),
                                           images.shape[-2:])
                distances.append(kind.distance(raw, on_exemplars[task.name]))
            mean = torch.cat([distance.flatten() for distance in distances]).mean()
            terms[f"{task.name}/old"] = self.config.weight * mean
        return terms

    @torch.no_grad()
    def keys(self, phase: Phase) -> Tensor:
        if self.config.selection == "random":
            return super().keys(phase)
        (task, kind), = kinds(phase.tasks)
        features, labelled = [], []
        for step in phase_batches(phase, phase.network.recipe.batch):
            features.append(F.normalize(step.features.mean((2, 3)), dim=1))
            labelled.append(kind.valid(step.batch.targets[task.name]).flatten(1).any(1))
        candidates = torch.cat(labelled).nonzero()[:, 0]
        quota = self.buffer.budget // (len(phase.old_tasks) + 1)
        order = herd(torch.cat(features)[candidates], most=quota // step.images[0].numel())
        keys = torch.ones(len(phase.data), dtype=torch.float64)
        keys[candidates[order].cpu()] = torch.arange(len(order), dtype=keys.dtype) / len(keys)
        return keys

    def end_phase(self, phase: Phase) -> None:
        super().end_phase(phase)
        if self.config.weight:
            self.teacher.capture(phase.network)

    def state_dict(self) -> State:
        return super().state_dict() | {"teacher": self.teacher.state_dict()}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.teacher.load_state_dict(state["teacher"])


def herd(features: Tensor, most: int) -> Tensor:
    """Indices of at most `most` of the features [N, C], best first: each brings the mean of those
    chosen so far as near as possible to the mean of all."""
    mean, total = features.mean(0), torch.zeros_like(features[0])
    penalty = features.new_zeros(len(features))  # infinite for those that are chosen already
    chosen = []
    for count in range(1, min(most, len(features)) + 1):
        distances = ((features + total) / count - mean).square().sum(1) + penalty
        best = distances.argmin()
        penalty[best] = torch.inf
        total = total + features[best]
        chosen.append(best)
    return torch.stack(chosen) if chosen else penalty.new_zeros(0, dtype=torch.long)

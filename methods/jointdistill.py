"""JointDistill in lifelong form (after Cheng et al. 2025): a teacher per new task."""

from methods._jointdistill import JointDistillation


class JointDistill(JointDistillation):
    """L = L_new + weight * ( sum_i w_i [ D(o_i, o_i^T) + D(c_i, o_i^T) ] / l_i^T
             + feature_weight * mean (A f - c)^2 + trajectory_weight * D(o_n, o_n^R) / l_n^T ).

    The phase first trains a single-task teacher for the new task n on its own block; an old task's
    teacher is the network of the phase before. D is the task kind's distance (T^2 KL, L1, 1 - cos),
    o_i the student's output, o_i^T the teacher's. The connector joins all teachers' features,
    c = ReLU(BN(conv(conv(concat f^T)))); heads of its own read c_i from c, and the student's
    features f, through a 1x1 convolution A, are matched to c (held fixed). Once an epoch the
    student is scored on held-out images, and the weights change: a_i = score / teacher's score,
    w_i <- w_i - beta w_i d/dw_i (w_i - mean(w) a_i mean(a)^(alpha - 1)). The trajectory R of the
    new task is a running average of the student, updated only when its score has become better;
    before the first update there is no term.

    Ours, where the paper is silent or we could not read it: all factors; scores are 1 / loss; w is
    scaled to mean 1 after each update; l_i^T, the teacher's held-out loss, removes units; the
    teacher is trained by the phase's own recipe; held-out images stay in training without their
    labels; the connector's kernels (1 and 3), its heads, and that its teachers train it; the
    trajectory is a state of the student, its loss the distance to that state's output. Ours for
    lifelong learning: without labels nothing shows that an old task has become better, so its
    trajectory stays what it was at the end of its phase, the network of the phase before; its l_i^T
    is its held-out loss when its own phase ended, and its loss now is that plus the distance of its
    outputs to those of that time.
    """

    name = "jointdistill"
    summary = "trains a teacher for each new task and distils it with the old network, weighted"
    grid = {"weight": [0.3, 1.0, 3.0, 10.0], "feature_weight": [0.3, 1.0, 3.0]}

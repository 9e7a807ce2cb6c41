"""JointDistill in lifelong form (after Cheng et al. 2025): a teacher per new task."""

from benchmark.joint_distillation import JointDistillation


class JointDistill(JointDistillation):
    """L = L_new + weight * ( sum_i w_i [ D(o_i, o_i^T) + D(c_i, o_i^T) ] / l_i^T
             + feature_weight * mean (A f - c)^2 + trajectory_weight * D(o_n, o_n^R) / l_n^T ).

    The phase first trains a single-task teacher for the new task n on its own block; an old task's
    teacher is the student as its trajectory has come to it, the network of the phase before. D is
    the task kind's distance (T^2 KL, L1, 1 - cos), o_i the student's output, o_i^T the teacher's.
    The connector joins all teachers' features, c = ReLU(BN(conv(conv(concat f^T)))); heads of its
    own read c_i from c, and the student's features f, through a 1x1 convolution A, are matched to
    c (held fixed). Once an epoch the student is scored on held-out images, and the weights move:
    w_i <- w_i - beta w_i d/dw_i (w_i - mean(w) a_i mean(a)^(alpha - 1)), a_i = score / teacher's.
    The trajectory R of the new task is a running average of the student that advances only when
    its score has become better.

    Ours, since the paper's text is silent or has other tasks: all factors; scores are 1 / loss;
    w is scaled to mean 1 after each move; l_i^T, the teacher's held-out loss, takes units away;
    held-out labels are never learnt from, the images still are; the connector is learnt from its
    teachers and has kernels 1 and 3; the trajectory is a state of the student and its loss the
    distance to that state's output. Ours for lifelong learning: an old task has no labels, its
    loss counts as that at its phase's end plus how far its outputs have gone since, so that
    without labels its trajectory stays; the student is what all old trajectories go on from.
    """

    name = "jointdistill"
    summary = "trains a teacher for each new task and distils it with the old network, weighted"

"""JointDistill as published (Cheng et al. 2025): a teacher per task, all tasks at once; a bound."""

from typing import Literal

from benchmark.method import JointMethod, setting
from methods._jointdistill import JointConfig, JointDistillation


class JointDistillOffline(JointMethod, JointDistillation):
    """L = sum_i L_i + weight * ( sum_i w_i [ D(o_i, o_i^T) + D(c_i, o_i^T) ] / l_i^T
             + feature_weight * mean (A f - c)^2
             + trajectory_weight * sum_i D(o_i, o_i^R) / l_i^T ).

    One single-task teacher per task is trained first; then the student is trained on all tasks.
    The terms, and our choices in them, are those of jointdistill, with no old tasks: the connector
    joins the features of all single-task teachers, every task has a trajectory R. For any tasks;
    the paper has segmentation and depth (the family `cityscapes`). Without weight it is joint
    training.
    """

    class Config(JointConfig):
        labels: Literal["own", "all"] = setting(
            "all", "own block's labels, or all labels on all images", "paper")

    name = "jointdistill_offline"
    summary = "distils one single-task teacher per task into one network, all tasks at once"
    stores = "nothing"

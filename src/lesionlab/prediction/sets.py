"""Which classes a picture does not rule out."""

import numpy as np

from lesionlab.bundle import PredictionSets
from lesionlab.metrics.arrays import FloatArray
from lesionlab.prediction.result import PredictionSet
from lesionlab.taxonomy import Task


def not_ruled_out(sets: PredictionSets | None, task: Task, probabilities: FloatArray) -> PredictionSet | None:
    """Return the prediction set of an image, the most probable class first; None for a model without such sets.

    Args:
        sets: The model's limits.
        task: Its task.
        probabilities: Calibrated, at the class frequencies of the training data, [C].
    """
    if sets is None:
        return None
    order = np.argsort(-probabilities, kind="stable")
    marginal, by_class = sets.marginal_members(probabilities), sets.members_by_class(probabilities)
    return PredictionSet(
        coverage=sets.coverage,
        marginal=tuple(task.classes[index] for index in order if marginal[index]),
        by_class=tuple(task.classes[index] for index in order if by_class[index]),
    )

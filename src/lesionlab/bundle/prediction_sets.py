"""Which diagnoses cannot be ruled out: what a bundle knows of conformal prediction sets."""

import numpy as np
from pydantic import Field

from lesionlab.base_models import StrictModel
from lesionlab.metrics.arrays import BoolArray, FloatArray
from lesionlab.metrics.conformal import set_members


class PredictionSets(StrictModel):
    """Thresholds of conformal prediction sets, from one image of each validation lesion.

    The calibration of the probabilities was fitted on the same lesions, a few numbers on many images; what the sets
    cover in truth is measured on the test part (`prediction_sets` in `metrics.json`).

    Attributes:
        coverage: Wanted share of lesions whose set holds the true class.
        marginal: A class belongs to the set if 1 minus its probability is at most this. The guarantee holds over
            all lesions together; rare classes may be covered less.
        class_conditional: The same for each class by code, with a guarantee for the lesions of that class; None where
            validation has too few lesions of it: such a class is never left out.
        lesions: Number of validation lesions of each class.
    """

    coverage: float = Field(gt=0, lt=1)
    marginal: float
    class_conditional: dict[str, float | None]
    lesions: dict[str, int]

    def marginal_members(self, probabilities: FloatArray) -> BoolArray:
        """Return which classes belong to the set, [..., C]; the most probable one always does."""
        members = set_members(probabilities, self.marginal)
        np.put_along_axis(members, probabilities.argmax(axis=-1)[..., None], values=True, axis=-1)
        return members

    def class_conditional_members(self, probabilities: FloatArray) -> BoolArray:
        """Return which classes belong to the set with a guarantee for each class, [..., C]."""
        limits = [np.inf if limit is None else limit for limit in self.class_conditional.values()]
        members = set_members(probabilities, np.array(limits))
        np.put_along_axis(members, probabilities.argmax(axis=-1)[..., None], values=True, axis=-1)
        return members

"""Limits of conformal prediction sets."""

import numpy as np
from pydantic import Field

from lesionlab.base_models import StrictModel
from lesionlab.metrics.arrays import BoolArray, FloatArray
from lesionlab.metrics.conformal import set_members


class PredictionSets(StrictModel):
    """Limits of conformal prediction sets, from one image of each validation lesion.

    The calibration was fitted on the same lesions, with few parameters for many images. The actual coverage is measured
    on the test set (`prediction_sets` in `metrics.json`).

    Attributes:
        coverage: Nominal share of lesions whose set holds the true class.
        marginal: A class belongs to the set if 1 minus its probability is at most this. The coverage holds over
            all lesions together; rare classes may be covered less.
        class_conditional: The same for each class by code, with the coverage for the lesions of that class; None where
            validation has too few lesions of the class, which is then always in the set.
        lesions: Number of validation lesions of each class.
    """

    coverage: float = Field(gt=0, lt=1)
    marginal: float
    class_conditional: dict[str, float | None]
    lesions: dict[str, int]

    def marginal_members(self, probabilities: FloatArray) -> BoolArray:
        """Return the members of the marginal set, [..., C]; the most probable class is always one."""
        return _with_most_probable(probabilities, self.marginal)

    def class_conditional_members(self, probabilities: FloatArray) -> BoolArray:
        """Return the members of the class-conditional set, [..., C]; the most probable class is always one."""
        limits = [np.inf if limit is None else limit for limit in self.class_conditional.values()]
        return _with_most_probable(probabilities, np.array(limits))


def _with_most_probable(probabilities: FloatArray, limits: FloatArray | float) -> BoolArray:
    members = set_members(probabilities, limits)
    np.put_along_axis(members, probabilities.argmax(axis=-1)[..., None], values=True, axis=-1)
    return members

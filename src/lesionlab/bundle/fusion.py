"""Fusion: one prediction from several images of a lesion, dermoscopic, clinical or both.

The evidence of an image is log p - log f: its calibrated probabilities p, relative to the class frequencies f at which
they are calibrated. The probabilities of a lesion are softmax(log f + sum of w m e over the image types), with the mean
evidence e of the images of a type. n images of one type count as m = n / (1 + (n - 1) r) independent ones, since their
errors are correlated by r (the design effect of cluster samples; Kish, Survey Sampling, 1965): r = 1 is the mean of the
log-probabilities, r = 0 the product of independent likelihoods. The weight w of a type is 1 unless there are both.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from pydantic import Field

from lesionlab.base_models import Sha256, StrictModel
from lesionlab.bundle.calibration import Calibration, DecisionRule
from lesionlab.bundle.operating_points import OperatingPoint, SensitivityCurve
from lesionlab.bundle.patient import PatientEffects
from lesionlab.bundle.prediction_sets import PredictionSets
from lesionlab.metrics import softmax
from lesionlab.metrics.arrays import FloatArray, IntArray

ImageType = Literal["dermoscopic", "clinical"]
IMAGE_TYPES: tuple[ImageType, ...] = get_args(ImageType)


class FittedValues(StrictModel):
    """Values that are fitted on validation lesions, as in `BundleInfo`, for another kind of input."""

    calibration: Calibration
    decision_rule: DecisionRule = DecisionRule()
    prediction_sets: PredictionSets | None = None
    patient_effects: PatientEffects | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    sensitivity_curves: tuple[SensitivityCurve, ...] = ()


class ClinicalFusion(StrictModel):
    """The combination of a dermoscopic and a clinical network.

    Attributes:
        graph_sha256: SHA-256 of the graph of the clinical network, whose bundle is the folder `clinical`.
        weights: Weight of the evidence of each image type where a lesion has both.
        fitted: Calibration and thresholds for lesions with both; those for dermoscopic images alone are in the
            description of the bundle, those for clinical images alone in that of the clinical network.
        lesions: Number of validation lesions with both.
    """

    graph_sha256: Sha256
    weights: dict[ImageType, float]
    fitted: FittedValues
    lesions: int = Field(ge=1)

    def probabilities(self, evidence_of: Mapping[ImageType, FloatArray], frequencies: FloatArray) -> FloatArray:
        """Return the probabilities of lesions, [N, C], from their evidence by image type, [N, C] each."""
        return self.fitted.calibration.probabilities(combined_logits(evidence_of, frequencies, self.weights))


class LesionFusion(StrictModel):
    """How the images of a lesion are combined; see the formula of this module.

    Attributes:
        correlation: Correlation r of images of one type, fitted on validation lesions with several images; 1 without
            enough of them.
        lesions: Number of these lesions; 0 for none.
        nll_single: Their negative log likelihood from single images, the mean over the images of a lesion.
        nll_mean: The same from the mean of the log-probabilities, r = 1.
        nll_fused: The same with `correlation`.
        clinical: Combination with a clinical network; None for a model of one image type.
    """

    correlation: float = Field(default=1.0, ge=0, le=1)
    lesions: int = Field(default=0, ge=0)
    nll_single: float | None = None
    nll_mean: float | None = None
    nll_fused: float | None = None
    clinical: ClinicalFusion | None = None


def effective_count(images: IntArray | int, correlation: float) -> FloatArray:
    """Return the number of independent images that a number of correlated ones counts as."""
    return np.asarray(images / (1 + (np.asarray(images) - 1) * correlation))


def evidence(probabilities: FloatArray, frequencies: FloatArray) -> FloatArray:
    """Return the evidence of images, [..., C], for calibrated probabilities [..., C] and class frequencies [C]."""
    return np.asarray(np.log(np.maximum(probabilities, 1e-300)) - np.log(frequencies))


def lesion_evidence(probabilities: FloatArray, frequencies: FloatArray, correlation: float) -> FloatArray:
    """Return the evidence of a lesion, [C], from the probabilities of its images of one type, [N, C]."""
    count = effective_count(len(probabilities), correlation)
    return np.asarray(count * evidence(probabilities, frequencies).mean(axis=0))


def combined_logits(
    evidence_of: Mapping[ImageType, FloatArray], frequencies: FloatArray, weights: Mapping[ImageType, float]
) -> FloatArray:
    """Return the logits of lesions, [N, C], from their evidence by image type, before the calibration for both."""
    return np.asarray(np.log(frequencies) + sum(weights[kind] * found for kind, found in evidence_of.items()))


def fused_probabilities(probabilities: FloatArray, frequencies: FloatArray, correlation: float) -> FloatArray:
    """Return the probabilities of a lesion, [C], from those of its images of one type, [N, C].

    The probabilities of a single image are returned unchanged.
    """
    if len(probabilities) == 1:
        return np.asarray(probabilities[0])
    return softmax(np.log(frequencies) + lesion_evidence(probabilities, frequencies, correlation))

"""Calibration of a network's outputs, and the decision rule on the calibrated probabilities."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from lesionlab.base_models import StrictModel
from lesionlab.metrics import softmax
from lesionlab.metrics.arrays import FloatArray
from lesionlab.metrics.calibration import TEMPERATURE_LIMITS


class Calibration(StrictModel):
    """Calibration: probabilities = softmax((scales * logits + offsets) / temperature).

    Fitted on the validation set by minimising the negative log likelihood.

    Attributes:
        method: `temperature`: one number T (Guo et al., ICML 2017). `prior`: softmax(logits / T + k log f) with the
            class frequencies f of the training images, which undoes class weights in the loss: weights that are a power
            of the frequency change the logits as another class prior does (Saerens et al., Neural Computation 14,
            2002). `bias`: T and one offset per class (Alexandari et al., ICML 2020). `vector`: T, one offset and one
            scale per class (Guo et al.).
        scales: Factors of the logits, one per class; empty for none.
        offsets: Added to the scaled logits, one per class; empty for none.
        temperature: Divisor of the result.
        prior_exponent: k of the method `prior`, whose offsets are T k log f less their mean; None for another method.
        images: Number of validation images used for the fit.
        ece_before: Expected calibration error on those images without calibration.
        ece_after: The same with calibration.
        nll_by_method: Cross-validated negative log likelihood of each candidate, by validation lesion; the simplest
            of the candidates with the lowest values is used. Empty for a single candidate.
        mean_probabilities: Mean probability of each class over those images: the class frequencies at which the
            probabilities are calibrated. Empty for unknown.
    """

    method: Literal["temperature", "prior", "bias", "vector"] = "temperature"
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    temperature: float = Field(gt=0)
    prior_exponent: float | None = None
    images: int = Field(ge=1)
    ece_before: float
    ece_after: float
    nll_by_method: dict[str, float] = Field(default_factory=dict)
    mean_probabilities: tuple[float, ...] = ()

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Return calibrated probabilities, float64 [N, C], for the graph's logits [N, C]."""
        return softmax(logits * np.array(self.scales or 1.0) + np.array(self.offsets or 0.0), self.temperature)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Signs that the calibration is not reliable, in words; usually none."""
        found = []
        low, high = TEMPERATURE_LIMITS
        if self.temperature <= low:
            found.append(
                f"the temperature is at its lower limit, {low:g}: the validation images are classified almost without "
                "error, so they cannot show how often the model is wrong"
            )
        if self.temperature >= high:
            found.append(
                f"the temperature is at its upper limit, {high:g}: the logits are hardly better than chance on the "
                "validation images"
            )
        if self.ece_after > self.ece_before:
            found.append(
                f"calibration raised the expected calibration error on the validation images from "
                f"{self.ece_before:.3f} to {self.ece_after:.3f}"
            )
        return tuple(found)


class DecisionRule(StrictModel):
    """The balanced decision rule: the class with the highest probability times weight.

    With probabilities calibrated to the dataset's class frequencies, weights of 1 maximise accuracy and weights of
    1 / frequency maximise balanced accuracy (the Bayes rule for that measure; Menon et al., ICLR 2021). The rule does
    not change the probabilities.

    Attributes:
        exponent: Weights are frequencies to the power of minus this; 0 gives the most probable class.
        weights: One per class; empty for equal weights.
        min_confidence: The model abstains where the highest score is below it. 0 for no limit.
        abstention_share: Share of the validation images that it was chosen to be above.
    """

    exponent: float = Field(default=0.0, ge=0, le=1)
    weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    min_confidence: float = Field(default=0.0, ge=0, lt=1)
    abstention_share: float = Field(default=0.02, ge=0, le=1)

    def scores(self, probabilities: FloatArray) -> FloatArray:
        """Return the scores of the classes, [..., C], each row summing to 1, for probabilities [..., C].

        With an exponent of 1 the scores are the probabilities for a dataset with equal class frequencies.
        """
        weighted = probabilities * np.array(self.weights or 1.0)
        scores: FloatArray = weighted / weighted.sum(axis=-1, keepdims=True)
        return scores

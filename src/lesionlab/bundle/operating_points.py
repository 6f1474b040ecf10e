"""Thresholds: what is called suspicious, what that finds and what it costs."""

from typing import Final, Literal

from pydantic import Field, model_validator

from lesionlab.base_models import StrictModel
from lesionlab.taxonomy import Target

NOUNS: Final[dict[Target, str]] = {"malignant": "malignancy", "melanoma": "melanoma"}


class OperatingPoint(StrictModel):
    """A threshold on the probability of malignancy or of melanoma, with what it costs.

    Attributes:
        name: For example `95% sensitivity`; unique together with `target`.
        target: Whose probability is compared.
        target_sensitivity: What the threshold was chosen for.
        threshold: An image counts as suspicious at or above it.
        sensitivity: Measured on `measured_on`.
        specificity: Measured on `measured_on`.
        ppv: Positive predictive value at `prevalence`.
        npv: Negative predictive value at `prevalence`.
        prevalence: Share of images of what is looked for in `measured_on`.
        intervals: 95 % interval by lesion of the four figures, by name, where they were drawn.
        measured_on: The part that the four figures come from. The threshold itself always comes from validation.
    """

    name: str
    target: Target = "malignant"
    target_sensitivity: float = Field(gt=0, lt=1)
    threshold: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    prevalence: float
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    measured_on: Literal["validation", "test", "other"]

    @property
    def purpose(self) -> str:
        """What the threshold is for, in words."""
        return f"{100 * self.target_sensitivity:g}% sensitivity for {NOUNS[self.target]}"


class CurvePoint(StrictModel):
    """What a threshold does on the validation part.

    Attributes:
        target_sensitivity: What the threshold was chosen for.
        threshold: An image counts as suspicious at or above it.
        sensitivity: Measured on the validation part.
        specificity: Measured on the validation part.
    """

    target_sensitivity: float = Field(gt=0, lt=1)
    threshold: float
    sensitivity: float
    specificity: float


class SensitivityCurve(StrictModel):
    """Thresholds for sensitivities that a user may ask for, chosen and measured on the validation part.

    Attributes:
        target: Whose probability is compared.
        prevalence: Share of it in the validation part.
        points: By rising target.
    """

    target: Target
    prevalence: float = Field(gt=0, lt=1)
    points: tuple[CurvePoint, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _targets_rise(self) -> "SensitivityCurve":
        targets = [point.target_sensitivity for point in self.points]
        if targets != sorted(set(targets)):
            raise ValueError("points must stand by rising target_sensitivity")
        return self

    def reaching(self, sensitivity: float) -> CurvePoint | None:
        """Return the point of the lowest target that is at least as high; None where none is."""
        return next((point for point in self.points if point.target_sensitivity >= sensitivity - 1e-9), None)

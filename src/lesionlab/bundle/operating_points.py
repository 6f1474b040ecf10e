"""Operating points: thresholds with their sensitivity and specificity."""

from typing import Final, Literal

from pydantic import Field, model_validator

from lesionlab.base_models import StrictModel
from lesionlab.taxonomy import Target

NOUNS: Final[dict[Target, str]] = {"malignant": "malignancy", "melanoma": "melanoma"}


class OperatingPoint(StrictModel):
    """A threshold on the probability of malignancy or of melanoma, with its measured performance.

    Attributes:
        name: For example `95% sensitivity`; unique together with `target`.
        target: The finding whose probability is compared.
        target_sensitivity: Sensitivity that the threshold was chosen for.
        threshold: The decision is positive at or above it.
        sensitivity: On `measured_on`, as is the specificity.
        ppv: Positive predictive value at `prevalence`, as is the negative one, `npv`.
        prevalence: Share of positive images in `measured_on`.
        intervals: 95% interval by lesion of the four figures by name, where available.
        measured_on: Subset of the four figures. The threshold is always chosen on the validation set.
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
        """Name and target in words."""
        return f"{100 * self.target_sensitivity:g}% sensitivity for {NOUNS[self.target]}"


class CurvePoint(StrictModel):
    """Performance on the validation set of the threshold for a target sensitivity; see `OperatingPoint`."""

    target_sensitivity: float = Field(gt=0, lt=1)
    threshold: float
    sensitivity: float
    specificity: float


class SensitivityCurve(StrictModel):
    """Thresholds for a range of sensitivities, chosen and measured on the validation set.

    Attributes:
        prevalence: Share of positive images in the validation set.
        points: In ascending order of the target sensitivity.
    """

    target: Target
    prevalence: float = Field(gt=0, lt=1)
    points: tuple[CurvePoint, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _targets_rise(self) -> "SensitivityCurve":
        targets = [point.target_sensitivity for point in self.points]
        if targets != sorted(set(targets)):
            raise ValueError("points must be in ascending order of target_sensitivity")
        return self

    def reaching(self, sensitivity: float) -> CurvePoint | None:
        """Return the point with the lowest sufficient target sensitivity; None if there is none."""
        return next((point for point in self.points if point.target_sensitivity >= sensitivity - 1e-9), None)

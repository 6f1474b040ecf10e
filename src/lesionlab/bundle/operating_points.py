"""Operating points: thresholds with their sensitivity and specificity."""

from typing import Final, Literal

from pydantic import Field, model_validator

from lesionlab.base_models import StrictModel
from lesionlab.metrics import predictive_values
from lesionlab.taxonomy import Target

NOUNS: Final[dict[Target, str]] = {"malignant": "malignancy", "melanoma": "melanoma"}


class PatientThreshold(StrictModel):
    """The threshold of an operating point for probabilities with patient data.

    Age, sex and site change the distribution of the probability, so that a threshold for images alone has another
    sensitivity there. This one was chosen and measured on the validation images with patient data.

    Attributes:
        threshold: The decision is positive at or above it.
    """

    threshold: float
    sensitivity: float
    specificity: float


class OperatingPoint(StrictModel):
    """A threshold on the probability of malignancy or of melanoma, with its measured performance.

    Attributes:
        name: For example `95% sensitivity`, or `95% sensitivity at 95% confidence`; unique together with `target`.
        target: The finding whose probability is compared.
        target_sensitivity: Sensitivity that the threshold was chosen for.
        confidence: Probability over validation sets that the sensitivity for new lesions, one image each, is at least
            the target sensitivity (see `lesionlab.metrics.operating_point.guaranteed_threshold`); None for a threshold
            that has the sensitivity on the validation images, without a guarantee.
        patient: Threshold for probabilities with patient data; None for a model that uses the image alone.
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
    confidence: float | None = Field(default=None, gt=0, lt=1)
    threshold: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    prevalence: float
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    measured_on: Literal["validation", "test", "other"]
    patient: PatientThreshold | None = None

    @property
    def purpose(self) -> str:
        """Name and target in words."""
        return f"{self.name} for {NOUNS[self.target]}"

    def with_patient_data(self) -> "OperatingPoint":
        """Return the point for a probability with patient data: its threshold, and its figures on the validation set.

        PPV and NPV are those at the prevalence of this point.
        """
        if self.patient is None:
            return self
        ppv, npv = predictive_values(self.patient.sensitivity, self.patient.specificity, self.prevalence)
        figures = {"ppv": ppv, "npv": npv, "intervals": {}, "measured_on": "validation"}
        return self.model_copy(update=self.patient.model_dump() | figures)


class CurvePoint(StrictModel):
    """Performance on the validation set of the threshold for a target sensitivity; see `OperatingPoint`."""

    target_sensitivity: float = Field(gt=0, lt=1)
    threshold: float
    sensitivity: float
    specificity: float
    patient: PatientThreshold | None = None


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

    def with_specificity(self, specificity: float) -> CurvePoint | None:
        """Return the point with the highest sensitivity among those with a sufficient specificity; None if none has."""
        return next((point for point in reversed(self.points) if point.specificity >= specificity - 1e-9), None)

"""The prediction for one image, or for one lesion from several images.

Its parts never contradict each other. `Prediction` checks this when it is made: the first diagnosis is the most
probable one and lies in the prediction set, a positive decision never stands beside a set without its target, low
risk never stands beside a malignant first diagnosis, and an abstention carries no diagnosis, decision or risk.
"""

from typing import Literal

from pydantic import Field, computed_field, model_validator

from lesionlab.base_models import FrozenModel
from lesionlab.bundle import ImageType
from lesionlab.taxonomy import Risk, Target, is_of_target, label_name

TOP = 3  # diagnoses in `Prediction.top`

AbstainCode = Literal[
    "too_small",
    "uniform",
    "too_dark",
    "too_bright",
    "blurred",
    "no_lesion",
    "not_dermoscopic",
    "out_of_distribution",
    "low_confidence",
]


class RankedDiagnosis(FrozenModel):
    """A diagnosis, or a class of a binary model, with its calibrated probability."""

    code: str = Field(examples=["nv"])
    name: str = Field(examples=["Melanocytic nevus"])
    probability: float = Field(ge=0, le=1)


class AbstainReason(FrozenModel):
    """One reason for an abstention.

    Attributes:
        code: `too_small`, `uniform`, `too_dark`, `too_bright` and `blurred` are quality checks; `no_lesion`: no lesion
            was found; `not_dermoscopic`: the image is not a dermoscopic image of a skin lesion; `out_of_distribution`:
            the image is unlike the training images; `low_confidence`: no class stands out.
        message: The reason in words, with the measured value and its limit.
    """

    code: AbstainCode
    message: str


class OperatingPointResult(FrozenModel):
    """A threshold, the decision that it gives for this image, and its measured performance.

    Attributes:
        name: For example `95% sensitivity`, `threshold=0.1` or `cost=20`; unique together with `target`.
        target: The finding whose probability is compared.
        threshold: The decision is positive at or above it. With patient data it is the one that was chosen with them.
        target_probability: The probability that is compared. For a sensitivity it is the one at the class frequencies
            of the training data, at which the threshold was chosen.
        positive: The decision; null for an abstention.
        sensitivity: On `measured_on`; null for a threshold that was not measured.
        specificity: On `measured_on`.
        ppv: Positive predictive value at `prevalence`.
        npv: Negative predictive value at `prevalence`.
        prevalence: Prevalence that `ppv` and `npv` assume.
        measured_on: Subset on which the figures were measured.
    """

    name: str = Field(examples=["95% sensitivity"])
    target: Target
    threshold: float
    target_probability: float = Field(ge=0, le=1)
    positive: bool | None
    sensitivity: float | None = None
    specificity: float | None = None
    ppv: float | None = None
    npv: float | None = None
    prevalence: float | None = None
    measured_on: Literal["validation", "test", "other"] | None = None


class PredictionSet(FrozenModel):
    """The classes that cannot be ruled out (conformal prediction).

    Attributes:
        coverage: Share of lesions like those of the validation set whose set holds the true class.
        kind: `class-conditional`: the coverage holds for the lesions of each class separately.
        codes: Codes of the classes, the most probable first. Classes are added to the conformal set where the set
            would otherwise contradict the first diagnosis or a positive decision; this never lowers the coverage.
    """

    coverage: float = Field(gt=0, lt=1)
    kind: Literal["class-conditional"] = "class-conditional"
    codes: tuple[str, ...]


class LesionImage(FrozenModel):
    """One of the images of a lesion.

    Attributes:
        image: The image as it was named in the request.
        used: Whether the prediction rests on it; not for an image on which the model abstains.
        abstain_reasons: Reasons against using it.
        p_malignant: Probability of malignancy from this image alone; null for a model that cannot tell it.
        ood_score: Distance of its features from those of the training images; null where it is not measured.
        notes: Unusual properties of the image and how they were treated.
    """

    image: str
    image_type: ImageType
    used: bool
    abstain_reasons: tuple[AbstainReason, ...] = ()
    p_malignant: float | None = Field(ge=0, le=1)
    ood_score: float | None = None
    notes: tuple[str, ...] = ()


class Prediction(FrozenModel):
    """The prediction for one image, or for one lesion from several images.

    Attributes:
        image: The image as it was named in the request; the name of the lesion for a prediction from several images.
        images: The images of a lesion; empty for the prediction for one image.
        status: `ok`, or `abstained` where the model should not be relied on.
        abstain_reasons: Reasons for the abstention; empty for `ok`.
        p_malignant: Probability of malignancy; null for a model that cannot tell it, such as one of melanoma alone.
        risk: Risk level by the risk rule of the predictor; null for an abstention.
        operating_points: Thresholds with their decisions. The first one is the one behind the risk level.
        probabilities: Calibrated probability of each class of the task by code; they sum to 1. Kept for analysis in
            abstentions.
        top: The most probable classes, at most three, in descending order; empty for an abstention.
        prediction_set: Classes that cannot be ruled out; null for an abstention or a model without such sets.
        balanced_prediction: Class with the highest probability divided by a power of its frequency, which maximises
            balanced accuracy; null for an abstention. It may differ from `top[0]`.
        ood_score: Distance of the image's features from those of the training images; null where it is not measured.
        notes: Unusual properties of the image and how they were treated.
        model: Name and hash of the model.
        headline: The result in one line, the same wherever it is shown.
    """

    image: str
    images: tuple[LesionImage, ...] = ()
    status: Literal["ok", "abstained"]
    abstain_reasons: tuple[AbstainReason, ...] = ()
    p_malignant: float | None = Field(ge=0, le=1)
    risk: Risk | None
    operating_points: tuple[OperatingPointResult, ...]
    probabilities: dict[str, float]
    top: tuple[RankedDiagnosis, ...] = Field(max_length=TOP)
    prediction_set: PredictionSet | None = None
    balanced_prediction: str | None
    ood_score: float | None = None
    notes: tuple[str, ...] = ()
    model: str

    @property
    def abstained(self) -> bool:
        """Whether the model abstained."""
        return self.status == "abstained"

    @property
    def most_probable(self) -> str:
        """Code of the most probable class, for analysis: it exists for an abstention too."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def positive(self) -> bool | None:
        """The decision at the first operating point; None for an abstention or a model without operating points."""
        return self.operating_points[0].positive if self.operating_points else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def headline(self) -> str:
        """The result in one line."""
        if self.abstained:
            return "No result: " + "; ".join(reason.message for reason in self.abstain_reasons)
        parts = [f"P(malignant) {self.p_malignant:.1%}"] if self.p_malignant is not None else []
        if self.operating_points:
            point = self.operating_points[0]
            if self.p_malignant is None:
                parts.append(f"P({point.target}) {point.target_probability:.1%}")
            parts.append(f"{'positive' if point.positive else 'negative'} at {point.name}")
        parts.append(f"most probable: {self.top[0].name} {self.top[0].probability:.1%}")
        others = self.prediction_set.codes[1:] if self.prediction_set else ()
        return ", ".join(parts) + (f"; cannot be ruled out: {', '.join(map(label_name, others))}" if others else "")

    @model_validator(mode="after")
    def _no_contradiction(self) -> "Prediction":
        if self.abstained:
            if self.top or self.risk or self.prediction_set or self.balanced_prediction or self.positive is not None:
                raise ValueError("an abstention has no diagnosis, risk, decision or prediction set")
            if not self.abstain_reasons:
                raise ValueError("an abstention needs a reason")
            return self
        if not self.top or self.risk is None or self.balanced_prediction is None:
            raise ValueError("a prediction without abstention needs a diagnosis and a risk level")
        first = self.top[0]
        if first.probability < max(self.probabilities.values()):
            raise ValueError(f"the first diagnosis {first.code} is not the most probable one")
        codes = self.prediction_set.codes if self.prediction_set else None
        if codes is not None and first.code not in codes:
            raise ValueError(f"the first diagnosis {first.code} is not in the prediction set")
        for point in self.operating_points:
            if point.positive and codes is not None and not any(is_of_target(code, point.target) for code in codes):
                raise ValueError(
                    f"positive at {point.name} for {point.target}, but the prediction set has no such class"
                )
        if self.risk is Risk.LOW and is_of_target(first.code, "malignant"):
            raise ValueError(f"low risk beside the malignant diagnosis {first.code}")
        return self


class Failure(FrozenModel):
    """An image for which there is no prediction, with the cause and the remedy."""

    image: str
    error: str

"""What the server answers: the typed form of every result."""

from dataclasses import asdict
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle import BundleInfo
from lesionlab.prediction import Explanation, Prediction
from lesionlab.prediction import SimilarCase as FoundCase
from lesionlab.segmentation import LesionMeasures
from lesionlab.serving.problem import Problem
from lesionlab.taxonomy import TASKS, Risk

METHOD: Final = "class activation map"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class BundleName(_Part):
    """The model that answered."""

    name: str = Field(examples=["efficientnet-lite0"])
    identity: str = Field(description="Its name and the head of its graph's hash.")
    graph_sha256: str


class ClassProbability(_Part):
    """One class of the model's task."""

    code: str = Field(examples=["mel"])
    name: str = Field(examples=["Melanoma"])
    probability: float = Field(description="Calibrated; those of all classes sum to 1.", ge=0, le=1, examples=[0.81])
    malignant: bool | None = Field(description="Null for a class that holds malignant and benign diagnoses.")


class JudgedPoint(_Part):
    """A threshold, what it was measured to cost, and on which side of it the image lies."""

    name: str = Field(examples=["sensitivity_95"])
    target_sensitivity: float = Field(description="What the threshold was chosen for.")
    looked_for: str = Field(description="Whose probability is compared: malignant, or melanoma.")
    threshold: float
    suspicious: bool = Field(description="Whether that probability is at or above the threshold.")
    sensitivity: float
    specificity: float
    ppv: float = Field(description="Positive predictive value at `prevalence`.")
    npv: float = Field(description="Negative predictive value at `prevalence`.")
    prevalence: float
    intervals: dict[str, tuple[float, float]] = Field(description="95% interval of the four figures, where known.")
    measured_on: str = Field(description="The part that the figures come from.")


class Reason(_Part):
    """One reason not to rely on the model for this image."""

    code: str
    message: str


class PredictionSet(_Part):
    """Classes that cannot be ruled out, by code, the most probable first (conformal prediction)."""

    coverage: float = Field(description="Share of lesions like those of validation whose set holds the true class.")
    marginal: tuple[str, ...] = Field(description="With this guarantee over all lesions.")
    by_class: tuple[str, ...] = Field(description="With this guarantee for the lesions of each class.")


class Refusal(_Part):
    """Why the model should not be relied on for this image."""

    reasons: tuple[Reason, ...]


class Result(_Part):
    """What the model says of one image."""

    diagnosis: str = Field(
        description="Code of the model's answer. Its rule may lift a rare class over a more probable one.",
        examples=["mel"],
    )
    classes: tuple[ClassProbability, ...] = Field(description="All classes, the most probable first.")
    malignant: float | None = Field(description="Probability that the lesion is malignant, where the model tells it.")
    risk: Risk | None = Field(description="By the rule in the model card's `risk_meaning`.")
    operating_points: tuple[JudgedPoint, ...]
    prediction_set: PredictionSet | None = Field(description="Null for a model without such sets.")
    refusal: Refusal | None
    notes: tuple[str, ...] = Field(description="What was unusual and how it was treated.")


class Lesion(_Part):
    """The lesion as a network has outlined it: plain measures, no second diagnosis."""

    area: float = Field(description="Share of the picture that it covers.")
    diameter: float = Field(description="Largest extent, of the picture's longer side.")
    touches_border: bool = Field(description="Whether it goes beyond the picture.")
    asymmetry: tuple[float, float] = Field(
        description="Share of its area that finds no partner when it is folded over each of its axes."
    )
    border_irregularity: float = Field(
        description="How much longer its outline is than that of its convex hull, less 1."
    )
    colours: dict[str, float] = Field(description="Colours that cover at least 3% of it, with their shares.")


class Explained(_Part):
    """Where the model saw what speaks for a class: a grid over the whole image, row by row from the top left."""

    method: Literal["class activation map"] = METHOD
    diagnosis: str = Field(examples=["mel"])
    name: str = Field(examples=["Melanoma"])
    rows: int
    columns: int
    values: tuple[tuple[float, ...], ...] = Field(description="0 for nothing, 1 for the place that speaks most for it.")


class SimilarCase(_Part):
    """A training image that is like this one to the network, as the dataset describes it; no answer of the model."""

    image_id: str = Field(examples=["ISIC_0024306"])
    lesion_id: str = Field(examples=["HAM_0000550"])
    diagnosis: str = Field(description="What the dataset says that the lesion is, by code.", examples=["nv"])
    name: str = Field(examples=["Melanocytic nevus"])
    similarity: float = Field(
        description="Cosine of the angle between the features of both; 1: the network sees the same in both; "
        "0: nothing in common.",
        ge=0,
        le=1,
    )


class _Answer(_Part):
    notice: str = RESEARCH_ONLY
    version: str = Field(default=__version__, description="Version of lesionlab.")
    request_id: str
    bundle: BundleName


class Answer(_Answer):
    """The answer for one image."""

    result: Result


class ExplainedAnswer(Answer):
    """The answer for one image, with its reasons."""

    explanation: Explained
    similar: tuple[SimilarCase, ...] | None = Field(
        description="The training lesions most like this image, an image of each, the most similar first. "
        "Null for a model that does not name its training images."
    )
    lesion: Lesion | None = Field(description="What can be measured of the lesion; null where none was found.")


class BatchItem(_Part):
    """One image of several: a result, or the problem that there was with it."""

    index: int = Field(description="Place in the request, from 0.")
    result: Result | None = None
    problem: Problem | None = None


class BatchAnswer(_Answer):
    """The answers for several images, in the order sent."""

    results: tuple[BatchItem, ...]


def bundle_name(info: BundleInfo) -> BundleName:
    """Return the name of a model."""
    return BundleName(name=info.name, identity=info.identity, graph_sha256=info.graph_sha256)


def result_of(prediction: Prediction, info: BundleInfo) -> Result:
    """Return a prediction in the form of the API."""
    task = TASKS[info.task]
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    refusal = prediction.refusal
    return Result(
        diagnosis=prediction.top[0].diagnosis,
        classes=tuple(
            ClassProbability(
                code=code, name=task.name_of(code), probability=probability, malignant=task.malignancy_of(code)
            )
            for code, probability in ranked
        ),
        malignant=prediction.malignant,
        risk=prediction.risk,
        operating_points=tuple(
            JudgedPoint(**point.model_dump(), suspicious=prediction.suspicion[point.looked_for] >= point.threshold)
            for point in info.operating_points
        ),
        prediction_set=prediction.prediction_set
        and PredictionSet.model_validate(prediction.prediction_set.model_dump()),
        refusal=refusal
        and Refusal(reasons=tuple(Reason(code=reason.code, message=reason.message) for reason in refusal.reasons)),
        notes=prediction.notes,
    )


def explained_of(explanation: Explanation) -> Explained:
    """Return an explanation in the form of the API."""
    rows, columns = explanation.values.shape
    # Three digits are finer than any screen shows, and a third of the bytes.
    values = tuple(tuple(round(value, 3) for value in row) for row in explanation.values.tolist())
    return Explained(diagnosis=explanation.diagnosis, name=explanation.name, rows=rows, columns=columns, values=values)


def lesion_of(measures: LesionMeasures | None) -> Lesion | None:
    """Return measures of a lesion in the form of the API."""
    return None if measures is None else Lesion.model_validate(asdict(measures))


def similar_of(cases: tuple[FoundCase, ...] | None) -> tuple[SimilarCase, ...] | None:
    """Return training cases in the form of the API."""
    if cases is None:
        return None
    return tuple(SimilarCase(**asdict(case) | {"similarity": round(case.similarity, 3)}) for case in cases)

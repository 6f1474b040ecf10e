"""What the server answers, as typed objects. A newer server may say more than stands here."""

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class BundleName(_Part):
    """The model that answered: its name, the same with the head of its graph's hash, and the whole hash."""

    name: str
    identity: str
    graph_sha256: str


class ClassProbability(_Part):
    """One class: calibrated probability; `malignant` is None for a class that holds both kinds."""

    code: str
    name: str
    probability: float
    malignant: bool | None


class OperatingPoint(_Part):
    """A threshold, what it was measured to cost, and whether the image lies at or above it."""

    name: str
    target_sensitivity: float
    looked_for: str
    threshold: float
    suspicious: bool
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    prevalence: float
    intervals: dict[str, tuple[float, float]]
    measured_on: str


class Reason(_Part):
    """One reason not to rely on the model for an image."""

    code: str
    message: str


class PredictionSet(_Part):
    """Classes that cannot be ruled out, by code, the most probable first.

    Attributes:
        coverage: Share of lesions like those of validation whose set holds the true class.
        marginal: With this guarantee over all lesions.
        by_class: With this guarantee for the lesions of each class.
    """

    coverage: float
    marginal: tuple[str, ...]
    by_class: tuple[str, ...]


class Refusal(_Part):
    """Why the model should not be relied on for an image."""

    reasons: tuple[Reason, ...]


class Result(_Part):
    """What the model says of one image.

    Attributes:
        diagnosis: Code of the model's answer, which may be a rare class that its rule lifts over a more probable one.
        classes: All classes, the most probable first.
        malignant: Probability that the lesion is malignant, None where the model does not tell.
        risk: `high`, `moderate` or `low`, by the rule of the server (`risk_meaning` of its model card).
        operating_points: The model's thresholds.
        prediction_set: Classes that cannot be ruled out, None for a model without such sets.
        refusal: Set where the model should not be relied on for this image.
        notes: What was unusual and how it was treated.
    """

    diagnosis: str
    classes: tuple[ClassProbability, ...]
    malignant: float | None
    risk: str | None
    operating_points: tuple[OperatingPoint, ...]
    prediction_set: PredictionSet | None
    refusal: Refusal | None
    notes: tuple[str, ...]


class Explanation(_Part):
    """Where the model saw what speaks for a class: a grid over the whole image, 0 for nothing to 1 for most."""

    method: str
    diagnosis: str
    name: str
    rows: int
    columns: int
    values: tuple[tuple[float, ...], ...]


class Lesion(_Part):
    """The lesion as a network has outlined it: plain measures, no second diagnosis.

    Attributes:
        area: Share of the picture that it covers.
        diameter: Largest extent, of the picture's longer side.
        touches_border: Whether it goes beyond the picture.
        asymmetry: Share of its area that finds no partner when it is folded over each of its axes.
        border_irregularity: How much longer its outline is than that of its convex hull, less 1.
        colours: Colours that cover at least 3 % of it, with their shares.
    """

    area: float
    diameter: float
    touches_border: bool
    asymmetry: tuple[float, float]
    border_irregularity: float
    colours: dict[str, float]


class SimilarCase(_Part):
    """A training image that is like this one to the network, as the dataset describes it; no answer of the model.

    Attributes:
        image_id: Its identifier in the dataset.
        lesion_id: Identifier of the lesion that it shows.
        diagnosis: Code of what the dataset says that the lesion is.
        name: The same in words.
        similarity: From 0, nothing in common, to 1, where the network sees the same in both.
    """

    image_id: str
    lesion_id: str
    diagnosis: str
    name: str
    similarity: float


class Problem(_Part):
    """Why one image of several has no result."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


class BatchItem(_Part):
    """One image of several, by its place: a result, or the problem that there was with it."""

    index: int
    result: Result | None
    problem: Problem | None


class _Answer(_Part):
    notice: str
    version: str
    request_id: str
    bundle: BundleName


class Answer(_Answer):
    """The answer for one image."""

    result: Result


class ExplainedAnswer(Answer):
    """The answer for one image, with its reasons.

    Attributes:
        explanation: Where the model saw what speaks for a class.
        similar: The training cases most like the image, the most similar first; None where the model does not name
            its training images.
        lesion: Shape, colours and size of the lesion; None where none was found.
    """

    explanation: Explanation
    similar: tuple[SimilarCase, ...] | None = None
    lesion: Lesion | None = None


class BatchAnswer(_Answer):
    """The answers for several images, in the order sent."""

    results: tuple[BatchItem, ...]


class ModelClass(_Part):
    """One class of the model's task."""

    code: str
    name: str
    risk: str
    malignant: bool | None


class ModelPoint(_Part):
    """A threshold of the model, and what it was measured to cost."""

    name: str
    target_sensitivity: float
    looked_for: str
    threshold: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    prevalence: float
    intervals: dict[str, tuple[float, float]]
    measured_on: str


class Estimate(_Part):
    """A metric and its 95 % interval; None for what the data do not define."""

    value: float | None
    low: float | None
    high: float | None


class Limits(_Part):
    """What the server takes: bytes of a file and of a request with several, pixels, files, formats."""

    max_bytes: int
    max_batch_bytes: int
    max_pixels: int
    max_batch: int
    formats: tuple[str, ...]


class ModelCard(_Part):
    """The model behind the server. Calibration, training data and preprocessing are as in its bundle.json."""

    notice: str
    version: str
    bundle: BundleName
    task: str
    classes: tuple[ModelClass, ...]
    operating_points: tuple[ModelPoint, ...]
    risk_meaning: str
    metrics: dict[str, Estimate]
    calibration: dict[str, object]
    training_data: dict[str, object]
    preprocessing: dict[str, object]
    licence: str
    created: str
    parameters: int
    recipe: str
    explains: bool
    refuses: bool
    limits: Limits

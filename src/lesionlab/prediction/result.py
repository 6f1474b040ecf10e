"""What the predictor answers: one typed object per image."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lesionlab.taxonomy import Risk


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class RankedDiagnosis(_Result):
    """One of the model's first answers.

    Attributes:
        diagnosis: Code of the diagnosis, or of the class for a model of another task.
        name: Its name.
        probability: Calibrated probability.
    """

    diagnosis: str
    name: str
    probability: float


class RefusalReason(_Result):
    """One reason not to rely on an answer.

    Attributes:
        code: `too_small`, `uniform`, `too_dark`, `too_bright` or `blurred`; `no_lesion` where none was found;
            `unfamiliar` for a picture unlike the training images; `uncertain` where no class stands out.
        message: The reason in words, with what was measured.
    """

    code: Literal["too_small", "uniform", "too_dark", "too_bright", "blurred", "no_lesion", "unfamiliar", "uncertain"]
    message: str


class Refusal(_Result):
    """The model should not be relied on for this image.

    Attributes:
        reasons: Why; at least one.
    """

    reasons: tuple[RefusalReason, ...] = Field(min_length=1)


class PredictionSet(_Result):
    """The classes that cannot be ruled out, the most probable first (conformal prediction).

    Attributes:
        coverage: Share of lesions like those of the validation part whose set holds the true class.
        marginal: The set with this guarantee over all lesions; rare classes may be covered less.
        by_class: The set with this guarantee for the lesions of each class by itself; it is larger.
    """

    coverage: float
    marginal: tuple[str, ...]
    by_class: tuple[str, ...]


class Prediction(_Result):
    """The answer for one image.

    Attributes:
        path: The image, as it was named in the request.
        probabilities: Calibrated probability of each class of the model's task by code; they sum to 1.
        malignant: Probability that the lesion is malignant: the sum over melanoma, basal cell carcinoma and
            actinic keratosis / intraepithelial carcinoma, or the class of a model that tells just this. None where
            the model does not tell, as one for melanoma against the rest.
        suspicion: Probabilities that thresholds are compared with, of `malignant` and `melanoma` as far as the model
            tells them, at the class frequencies of the training data, whatever prevalence was asked for.
        top: The model's first answers, at most three, the answer first. They stand in the order of the model's
            decision rule (`BundleInfo.decision`), which may lift rare classes over a more probable one.
        prediction_set: Classes that cannot be ruled out by the picture, at the training data's class frequencies; None
            where the model has no such sets.
        risk: Risk level, by the rule that was asked for (`lesionlab.prediction.risk`).
        notes: What was unusual about the image and how it was treated.
        refusal: Why the answer should not be relied on; None where nothing speaks against it.
        bundle: Name and hash of the model.
    """

    path: str
    probabilities: dict[str, float]
    malignant: float | None
    suspicion: dict[str, float]
    top: tuple[RankedDiagnosis, ...]
    prediction_set: PredictionSet | None = None
    risk: Risk
    notes: tuple[str, ...] = ()
    refusal: Refusal | None = None
    bundle: str


class Failure(_Result):
    """An image that could not be judged.

    Attributes:
        path: The image, as it was named in the request.
        error: What was wrong and what to do.
    """

    path: str
    error: str

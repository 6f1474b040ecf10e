"""From the outputs of the graph to predictions: calibration, abstention, thresholds, risk and prediction set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lesionlab.bundle import OperatingPoint, Patient, Reference, Site
from lesionlab.bundle.features import ood_scores, pool_features
from lesionlab.metrics.arrays import FloatArray
from lesionlab.prediction.decision.abstention import (
    confidence_reasons,
    dermoscopy_reasons,
    image_reasons,
    lesion_reasons,
)
from lesionlab.prediction.decision.setting import Setting
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.inference.session import GraphOutput
from lesionlab.results import (
    AbstainReason,
    LesionImage,
    OperatingPointResult,
    Prediction,
    PredictionSet,
    RankedDiagnosis,
)
from lesionlab.results.prediction import TOP
from lesionlab.taxonomy import TASKS, Target, Task, is_of_target

Probabilities = dict[Target, float]
_UNKNOWN_SITE = "site not taken into account: it is none of those in the training data"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a prediction is made from: of one image, or of several of one lesion.

    Attributes:
        name: Name of the image or of the lesion in the result.
        probabilities: Calibrated probabilities, [C].
        reasons: Reasons for an abstention, except low confidence.
        setting: Prevalence and risk rule; None: those of the builder.
        images: The images of a lesion; empty for one image.
    """

    name: str
    probabilities: FloatArray
    reasons: tuple[AbstainReason, ...]
    notes: tuple[str, ...]
    patient: Patient
    setting: Setting | None = None
    ood_score: float | None = None
    images: tuple[LesionImage, ...] = ()


class PredictionBuilder:
    """Turns graph outputs into predictions.

    Args:
        reference: Reference statistics of the model.
        setting: The model, with the prevalence and risk rule of images without their own.
    """

    def __init__(self, reference: Reference, setting: Setting) -> None:
        self._task = TASKS[setting.info.task]
        self._reference = reference
        self._setting = setting

    def build(self, images: Sequence[PreparedImage], outputs: GraphOutput) -> list[Prediction]:
        """Return the prediction for each image, in their order."""
        return list(map(self.prediction, self.evidence(images, outputs)))

    def evidence(self, images: Sequence[PreparedImage], outputs: GraphOutput) -> list[Evidence]:
        """Return the evidence of each image, in their order."""
        info = self._setting.info
        rows = info.calibration.probabilities(outputs.logits)
        scores, detector = self.ood_scores(outputs), info.dermoscopy
        reasons = [
            image_reasons(self._reference, image, None if detector else score)
            for image, score in zip(images, scores, strict=True)
        ]
        if (crop := info.crop) is not None and outputs.lesion is not None:
            for found, lesion in zip(reasons, outputs.lesion, strict=True):
                found.extend(lesion_reasons(lesion, crop.threshold))
        if detector is not None and outputs.dermoscopic is not None:
            for found, logit in zip(reasons, outputs.dermoscopic, strict=True):
                found.extend(dermoscopy_reasons(float(logit), detector))
        return [
            Evidence(image.name, row, tuple(found), image.notes, image.patient, image.setting, score)
            for image, row, found, score in zip(images, rows, reasons, scores, strict=True)
        ]

    def ood_scores(self, outputs: GraphOutput) -> list[float] | list[None]:
        """Return the out-of-distribution score of each image, None for a graph or bundle without features."""
        if self._reference.features is None or outputs.feature_map is None:
            return [None] * len(outputs.logits)
        return [float(score) for score in ood_scores(self._reference.features, pool_features(outputs.feature_map))]

    def p_malignant(self, probabilities: FloatArray, setting: Setting | None = None) -> float | None:
        """Return the probability of malignancy for those of the classes, [C], at the prevalence of the setting."""
        shift = (setting or self._setting).shift
        return self._of_targets(probabilities if shift is None else shift.applied(probabilities)).get("malignant")

    def prediction(self, evidence: Evidence) -> Prediction:
        """Return the prediction: patient data, prevalence, decisions, risk and prediction set."""
        setting = evidence.setting or self._setting
        task, info = self._task, setting.info
        probabilities = from_image = evidence.probabilities
        if info.patient_effects is not None:
            probabilities = info.patient_effects.adjusted(probabilities, evidence.patient)
        patient_used = probabilities is not from_image
        # Thresholds were chosen at the class frequencies of the training data, whatever the prevalence.
        unshifted = self._of_targets(probabilities)
        scores = info.decision_rule.scores(probabilities)
        reasons = [*evidence.reasons, *confidence_reasons(float(scores.max()), info.decision_rule)]
        if setting.shift is not None:
            probabilities = setting.shift.applied(probabilities)
            # The rule's weights are powers of the class frequencies, which the shift changes.
            scores = scores * setting.shift.ratio ** (1 - info.decision_rule.exponent)
        shown = self._of_targets(probabilities)
        by_code = dict(zip(task.classes, probabilities.tolist(), strict=True))
        order = [task.classes[index] for index in np.argsort(-probabilities, kind="stable")]
        points = _operating_points(setting, unshifted, shown, abstained=bool(reasons), patient=patient_used)
        prediction = {
            "image": evidence.name,
            "images": evidence.images,
            "abstain_reasons": tuple(reasons),
            "p_malignant": shown.get("malignant"),
            "operating_points": points,
            "probabilities": by_code,
            "ood_score": evidence.ood_score,
            "notes": evidence.notes + _patient_notes(evidence.patient, used=info.patient_effects is not None),
            "model": info.identity,
        }
        if reasons:
            return Prediction(status="abstained", risk=None, top=(), balanced_prediction=None, **prediction)
        return Prediction(
            status="ok",
            risk=setting.risk.level(
                order[0], unshifted[setting.risk.target], shown[setting.risk.target], patient=patient_used
            ),
            top=tuple(
                RankedDiagnosis(code=code, name=task.name_of(code), probability=by_code[code]) for code in order[:TOP]
            ),
            prediction_set=_prediction_set(setting, task, from_image, order, points),
            balanced_prediction=task.classes[int(scores.argmax())],
            **prediction,
        )

    def _of_targets(self, probabilities: FloatArray) -> Probabilities:
        columns = {name: [self._task.classes.index(c) for c in codes] for name, codes in self._task.targets.items()}
        return {name: min(1.0, float(probabilities[indices].sum())) for name, indices in columns.items()}


def _operating_points(
    setting: Setting, unshifted: Probabilities, shown: Probabilities, *, abstained: bool, patient: bool
) -> tuple[OperatingPointResult, ...]:
    def result(point: OperatingPoint) -> OperatingPointResult:
        probability = unshifted[point.target]
        kept = point.model_dump(exclude={"target_sensitivity", "confidence", "intervals", "patient"})
        positive = None if abstained else probability >= point.threshold
        return OperatingPointResult(**kept, target_probability=probability, positive=positive)

    points = [result(point.with_patient_data() if patient else point) for point in setting.points]
    if (own := setting.risk.own_point) is not None:
        probability = shown[setting.risk.target]
        positive = None if abstained else probability >= own["threshold"]
        points.insert(0, OperatingPointResult(**own, target_probability=probability, positive=positive))
    return tuple(points)


def _prediction_set(
    setting: Setting, task: Task, from_image: FloatArray, order: list[str], points: tuple[OperatingPointResult, ...]
) -> PredictionSet | None:
    """Return the class-conditional set and what it lacks for consistency; a larger set keeps its coverage."""
    sets = setting.info.prediction_sets
    if sets is None:
        return None
    members = sets.class_conditional_members(from_image)
    codes = {code for code, member in zip(task.classes, members, strict=True) if member} | {order[0]}
    for point in points:
        if point.positive and not any(is_of_target(code, point.target) for code in codes):
            codes.add(next(code for code in order if is_of_target(code, point.target)))
    return PredictionSet(coverage=sets.coverage, codes=tuple(code for code in order if code in codes))


def _patient_notes(patient: Patient, *, used: bool) -> tuple[str, ...]:
    given = " and ".join(patient.given)
    notes = (f"{given} {'taken into account' if used else 'ignored: this model uses the image alone'}",) * bool(given)
    return (*notes, _UNKNOWN_SITE) if patient.site is Site.UNKNOWN else notes

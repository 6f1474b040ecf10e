"""From the outputs of the graph to predictions: calibration, abstention, thresholds, risk and prediction set."""

from collections.abc import Sequence

import numpy as np

from lesionlab.bundle import Bundle, BundleInfo, OperatingPoint, Patient, Reference, Site
from lesionlab.bundle.features import ood_scores, pool_features
from lesionlab.metrics.arrays import FloatArray
from lesionlab.prediction.decision.abstention import confidence_reasons, image_reasons, lesion_reasons
from lesionlab.prediction.decision.prevalence import PriorShift
from lesionlab.prediction.decision.risk import RiskScale
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.inference.session import GraphOutput
from lesionlab.results import AbstainReason, OperatingPointResult, Prediction, PredictionSet, RankedDiagnosis
from lesionlab.results.prediction import TOP
from lesionlab.taxonomy import TASKS, Target, is_of_target

Probabilities = dict[Target, float]
_UNKNOWN_SITE = "site not taken into account: it is none of those in the training data"


class PredictionBuilder:
    """Turns graph outputs into predictions.

    Args:
        bundle: The model.
        info: Its description at the prevalence that the user states.
        reference: Its reference statistics.
        risk: The risk rule.
        shift: From the training data's class frequencies to those that the user states.
    """

    def __init__(
        self, bundle: Bundle, info: BundleInfo, reference: Reference, risk: RiskScale, shift: PriorShift | None
    ) -> None:
        self._task = TASKS[info.task]
        self._crop = bundle.info.crop
        self._info = info
        self._reference = reference
        self._risk = risk
        self._shift = shift
        # The operating point behind the risk level comes first. Guaranteed thresholds are compared on request only:
        # they make most images positive, and every positive decision adds its target to the prediction set.
        behind_risk = (risk.point.name, risk.point.target) if risk.point else None
        named = {(point.name, point.target): point for point in info.operating_points}
        others = [point for key, point in named.items() if key != behind_risk and point.confidence is None]
        self._points = [*([named[behind_risk]] if behind_risk else []), *others]

    def build(self, images: Sequence[PreparedImage], outputs: GraphOutput) -> list[Prediction]:
        """Return the prediction for each image, in their order."""
        rows = self._info.calibration.probabilities(outputs.logits)
        scores = self.ood_scores(outputs)
        reasons = [image_reasons(self._reference, image, score) for image, score in zip(images, scores, strict=True)]
        if (crop := self._crop) is not None and outputs.lesion is not None:
            reasons = [
                [*found, *lesion_reasons(lesion, crop.threshold)]
                for found, lesion in zip(reasons, outputs.lesion, strict=True)
            ]
        return [self._prediction(*parts) for parts in zip(images, rows, reasons, scores, strict=True)]

    def ood_scores(self, outputs: GraphOutput) -> list[float] | list[None]:
        """Return the out-of-distribution score of each image, None for a graph or bundle without features."""
        if self._reference.features is None or outputs.feature_map is None:
            return [None] * len(outputs.logits)
        return [float(score) for score in ood_scores(self._reference.features, pool_features(outputs.feature_map))]

    def _prediction(
        self, image: PreparedImage, probabilities: FloatArray, reasons: list[AbstainReason], ood_score: float | None
    ) -> Prediction:
        task, info, from_image = self._task, self._info, probabilities
        if info.patient_effects is not None:
            probabilities = info.patient_effects.adjusted(probabilities, image.patient)
        patient_used = probabilities is not from_image
        # Thresholds were chosen at the class frequencies of the training data, whatever the prevalence.
        unshifted = self._of_targets(probabilities)
        scores = info.decision_rule.scores(probabilities)
        reasons = [*reasons, *confidence_reasons(float(scores.max()), info.decision_rule.min_confidence)]
        if self._shift is not None:
            probabilities = self._shift.applied(probabilities)
            # The rule's weights are powers of the class frequencies, which the shift changes.
            scores = scores * self._shift.ratio ** (1 - info.decision_rule.exponent)
        shown = self._of_targets(probabilities)
        by_code = dict(zip(task.classes, probabilities.tolist(), strict=True))
        order = [task.classes[index] for index in np.argsort(-probabilities, kind="stable")]
        points = self._operating_points(unshifted, shown, abstained=bool(reasons), patient=patient_used)
        prediction = {
            "image": image.name,
            "abstain_reasons": tuple(reasons),
            "p_malignant": shown.get("malignant"),
            "operating_points": points,
            "probabilities": by_code,
            "ood_score": ood_score,
            "notes": image.notes + self._patient_notes(image.patient),
            "model": info.identity,
        }
        if reasons:
            return Prediction(status="abstained", risk=None, top=(), balanced_prediction=None, **prediction)
        return Prediction(
            status="ok",
            risk=self._risk.level(order[0], unshifted[info.target], shown[info.target], patient=patient_used),
            top=tuple(
                RankedDiagnosis(code=code, name=task.name_of(code), probability=by_code[code]) for code in order[:TOP]
            ),
            prediction_set=self._prediction_set(from_image, order, points),
            balanced_prediction=task.classes[int(scores.argmax())],
            **prediction,
        )

    def _of_targets(self, probabilities: FloatArray) -> Probabilities:
        columns = {name: [self._task.classes.index(c) for c in codes] for name, codes in self._task.targets.items()}
        return {name: min(1.0, float(probabilities[indices].sum())) for name, indices in columns.items()}

    def _operating_points(
        self, unshifted: Probabilities, shown: Probabilities, *, abstained: bool, patient: bool
    ) -> tuple[OperatingPointResult, ...]:
        def result(point: OperatingPoint) -> OperatingPointResult:
            probability = unshifted[point.target]
            kept = point.model_dump(exclude={"target_sensitivity", "confidence", "intervals", "patient"})
            positive = None if abstained else probability >= point.threshold
            return OperatingPointResult(**kept, target_probability=probability, positive=positive)

        points = [result(point.with_patient_data() if patient else point) for point in self._points]
        if (own := self._risk.own_point) is not None:
            probability = shown[self._info.target]
            positive = None if abstained else probability >= own["threshold"]
            points.insert(0, OperatingPointResult(**own, target_probability=probability, positive=positive))
        return tuple(points)

    def _prediction_set(
        self, from_image: FloatArray, order: list[str], points: tuple[OperatingPointResult, ...]
    ) -> PredictionSet | None:
        """Return the class-conditional set and what it lacks for consistency; a larger set keeps its coverage."""
        sets = self._info.prediction_sets
        if sets is None:
            return None
        members = sets.class_conditional_members(from_image)
        codes = {code for code, member in zip(self._task.classes, members, strict=True) if member} | {order[0]}
        for point in points:
            if point.positive and not any(is_of_target(code, point.target) for code in codes):
                codes.add(next(code for code in order if is_of_target(code, point.target)))
        return PredictionSet(coverage=sets.coverage, codes=tuple(code for code in order if code in codes))

    def _patient_notes(self, patient: Patient) -> tuple[str, ...]:
        given = " and ".join(patient.given)
        used = (
            "ignored: this model uses the image alone" if self._info.patient_effects is None else "taken into account"
        )
        notes = (f"{given} {used}",) if given else ()
        return (*notes, _UNKNOWN_SITE) if patient.site is Site.UNKNOWN else notes

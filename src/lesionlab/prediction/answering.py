"""From what the graph says to an answer: calibration, the rule of the answer, thresholds, and reasons to refuse."""

from collections.abc import Sequence

import numpy as np

from lesionlab.bundle import Bundle, BundleInfo, Patient, Reference
from lesionlab.prediction.prepared import PreparedImage
from lesionlab.prediction.prevalence import PriorShift
from lesionlab.prediction.refusal import distances, pooled, reasons_against, uncertain, without_lesion
from lesionlab.prediction.result import Prediction, RankedDiagnosis, Refusal, RefusalReason
from lesionlab.prediction.risk import RiskScale
from lesionlab.prediction.session import GraphOutput
from lesionlab.prediction.sets import not_ruled_out
from lesionlab.taxonomy import TASKS, Task

_RANKED = 3


class Answering:
    """What stands between a graph's outputs and the predictions that a user sees.

    Args:
        bundle: The model.
        info: Its description, at the prevalence that the user states.
        reference: What the bundle knows of the images that it can judge.
        risk: What the risk level goes by.
        shift: From the data's class frequencies to those that the user states.
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

    def answers(self, images: Sequence[PreparedImage], seen: GraphOutput) -> list[Prediction]:
        """Return the answer to each image, in their order."""
        rows = self._info.calibration.probabilities(seen.logits)
        away = self.distances(seen)
        against = [
            reasons_against(self._reference, image, distance) for image, distance in zip(images, away, strict=True)
        ]
        if (crop := self._crop) is not None and seen.lesion is not None:
            against = [
                [*reasons, *without_lesion(lesion, crop.threshold)]
                for reasons, lesion in zip(against, seen.lesion, strict=True)
            ]
        return [self._answer(*parts) for parts in zip(images, rows, against, strict=True)]

    def distances(self, seen: GraphOutput) -> list[float] | list[None]:
        """Return how far each image's features lie from those of the training images, None where that is not known."""
        if self._reference.features is None or seen.feature_map is None:
            return [None] * len(seen.logits)
        return [float(distance) for distance in distances(self._reference.features, pooled(seen.feature_map))]

    def _answer(self, item: PreparedImage, probabilities: np.ndarray, against: list[RefusalReason]) -> Prediction:
        task, info = self._task, self._info
        prediction_set = not_ruled_out(info.prediction_sets, task, probabilities)
        if info.patient_effects is not None:
            probabilities = info.patient_effects.adjusted(probabilities, item.patient)
        # What thresholds were chosen on: the data's own class frequencies, whatever the prevalence.
        suspicion = {name: _sum_of(codes, task, probabilities) for name, codes in task.findings.items()}
        ranking = info.decision.scores(probabilities)
        reasons = (*against, *uncertain(float(ranking.max()), info.decision.uncertain_below))
        if self._shift is not None:
            probabilities = self._shift.applied(probabilities)
            # The rule's weights are powers of the class frequencies, which are others here.
            ranking = ranking * self._shift.ratio ** (1 - info.decision.exponent)
        by_code = dict(zip(task.classes, probabilities.tolist(), strict=True))
        ranked = [task.classes[index] for index in np.argsort(-ranking, kind="stable")[:_RANKED]]
        found = {name: _sum_of(codes, task, probabilities) for name, codes in task.findings.items()}
        sought = info.looked_for
        return Prediction(
            path=item.name,
            probabilities=by_code,
            malignant=found.get("malignant"),
            suspicion=suspicion,
            top=tuple(
                RankedDiagnosis(diagnosis=code, name=task.name_of(code), probability=by_code[code]) for code in ranked
            ),
            prediction_set=prediction_set,
            risk=self._risk.level(ranked[0], info, suspicion[sought], found[sought]),
            notes=item.notes + self._patient_notes(item.patient),
            refusal=Refusal(reasons=reasons) if reasons else None,
            bundle=info.identity,
        )

    def _patient_notes(self, patient: Patient) -> tuple[str, ...]:
        """Return what a reader of the result has to know of what was told of the patient."""
        if not patient.given:
            return ()
        given = " and ".join(patient.given)
        if self._info.patient_effects is None:
            return (f"{given} given, but not read: this model judges the picture alone",)
        return (f"{given} taken into account",)


def _sum_of(codes: Sequence[str], task: Task, probabilities: np.ndarray) -> float:
    return min(1.0, float(probabilities[[task.classes.index(code) for code in codes]].sum()))

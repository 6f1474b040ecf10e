"""Several models asked together: the mean of their probabilities."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from lesionlab.bundle import BundleInfo, Decision, Patient
from lesionlab.errors import UsageError
from lesionlab.images import ImageSource
from lesionlab.prediction.predictor import Predictor
from lesionlab.prediction.result import Failure, Prediction, RankedDiagnosis, Refusal
from lesionlab.prediction.risk import RiskRule, RiskScale
from lesionlab.prediction.session import IMAGES_PER_RUN
from lesionlab.taxonomy import TASKS


class Ensemble:
    """Asks every member and averages what they say.

    Members may differ in their network and their preprocessing, not in their task. Thresholds were measured for each
    member alone, so an ensemble has none. It refuses an image that more than half of its members refuse.
    """

    def __init__(self, members: Sequence[Predictor], risk: RiskRule | None = None) -> None:
        """Put members together.

        Args:
            members: At least two, of one task.
            risk: What the risk level goes by: a cost, or by default the answer.

        Raises:
            UsageError: There are fewer than two, one twice, or of different tasks, or the rule asks for a sensitivity.
        """
        identities = [member.info.identity for member in members]
        if len(members) < 2:
            raise UsageError("an ensemble has at least two members")
        if len(set(identities)) < len(members):
            raise UsageError(f"an ensemble needs different members, not {', '.join(sorted(identities))}")
        if len({member.info.task for member in members}) > 1:
            tasks = ", ".join(f"{m.info.identity}: {m.info.task}" for m in members)
            raise UsageError(f"the members of an ensemble must have one task ({tasks})")
        self._members = tuple(members)
        self._info = _description([member.info for member in members])
        self._risk = RiskScale.of(self._info, risk)

    @property
    def info(self) -> BundleInfo:
        """The first member's description under the ensemble's name, without figures that were measured for it alone."""
        return self._info

    @property
    def risk_meaning(self) -> str:
        """What the risk level goes by, in words."""
        return self._risk.meaning

    def predict_many(
        self,
        images: Iterable[ImageSource],
        *,
        batch_size: int = IMAGES_PER_RUN,
        patient_of: Callable[[str], Patient] | None = None,
    ) -> Iterator[Prediction | Failure]:
        """Judge images one batch after the other, in their order; a bad one does not stop the rest.

        Args:
            images: What `Predictor.predict_many` takes; each member decodes them by itself.
            batch_size: Images per run of a graph.
            patient_of: Returns what is known of the patient of an image, for the image's name.
        """
        places = list(images)
        answers = [m.predict_many(places, batch_size=batch_size, patient_of=patient_of) for m in self._members]
        for of_members in zip(*answers, strict=True):
            failure = next((answer for answer in of_members if isinstance(answer, Failure)), None)
            yield failure or self._combined([a for a in of_members if isinstance(a, Prediction)])

    def _combined(self, answers: Sequence[Prediction]) -> Prediction:
        task, first = TASKS[self._info.task], answers[0]
        mean = np.mean([[a.probabilities[code] for code in task.classes] for a in answers], axis=0)
        by_code = dict(zip(task.classes, mean.tolist(), strict=True))
        scores = self._info.decision.scores(mean)
        ranked = [task.classes[index] for index in np.argsort(-scores, kind="stable")[: len(first.top)]]
        refusals = [answer.refusal for answer in answers if answer.refusal is not None]
        refused = len(refusals) > len(answers) / 2
        reasons = {reason.code: reason for refusal in refusals for reason in refusal.reasons}
        notes = tuple(dict.fromkeys(note for answer in answers for note in answer.notes))
        known = [answer.malignant for answer in answers if answer.malignant is not None]
        sought = self._info.looked_for
        suspicion = {name: min(1.0, float(np.mean([a.suspicion[name] for a in answers]))) for name in first.suspicion}
        found = sum(by_code[code] for code in task.findings[sought])
        return Prediction(
            path=first.path,
            probabilities=by_code,
            malignant=min(1.0, float(np.mean(known))) if known else None,
            suspicion=suspicion,
            top=tuple(
                RankedDiagnosis(diagnosis=code, name=task.name_of(code), probability=by_code[code]) for code in ranked
            ),
            risk=self._risk.level(ranked[0], self._info, suspicion[sought], found),
            notes=notes,
            refusal=Refusal(reasons=tuple(reasons.values())) if refused else None,
            bundle=self._info.identity,
        )


def _description(members: Sequence[BundleInfo]) -> BundleInfo:
    together = hashlib.sha256("".join(sorted(info.graph_sha256 for info in members)).encode()).hexdigest()
    weights = np.mean([info.decision.weights or (1.0,) * len(info.classes) for info in members], axis=0)
    decision = Decision(
        exponent=float(np.mean([info.decision.exponent for info in members])), weights=tuple(weights.tolist())
    )
    data = members[0].training_data
    leaky = any(info.training_data.leaky for info in members)
    return members[0].model_copy(
        update={
            "name": f"ensemble of {', '.join(info.name for info in members)}",
            "graph_sha256": together,
            "decision": decision,
            "operating_points": (),
            "sensitivity_curves": (),
            "metrics": {},
            "training_data": data.model_copy(update={"leaky": leaky}),
            "parameters": sum(info.parameters for info in members),
        }
    )

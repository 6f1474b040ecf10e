"""High, moderate or low: what follows from a probability once somebody has said what a mistake costs.

Two statements can be turned into a threshold. A sensitivity: the threshold was chosen on validation lesions to reach
it. Or a cost: when a missed malignancy is as bad as C lesions looked at in vain, looking pays from a probability of
1 / (1 + C) on (the Bayes rule for two kinds of mistakes; Elkan, IJCAI 2001). Below the threshold the risk is low;
above it is high where malignancy is more probable than not, and moderate between.
"""

from dataclasses import dataclass
from typing import Literal

from lesionlab.bundle import BundleInfo, OperatingPoint
from lesionlab.bundle.operating import NOUNS
from lesionlab.errors import UsageError
from lesionlab.metrics import predictive_values
from lesionlab.taxonomy import TASKS, Risk

DEFAULT_SENSITIVITY = 0.95
_LIKELIER = 0.5


@dataclass(frozen=True)
class RiskRule:
    """What the risk level goes by.

    Attributes:
        kind: `sensitivity` or `cost`, as above; `answer`: the level of the diagnosis that was answered, which leaves
            out what else it may be.
        value: The sensitivity, between 0 and 1, or the cost, above 0.
    """

    kind: Literal["sensitivity", "cost", "answer"]
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "RiskRule":
        """Read `sensitivity=0.95`, `cost=20` or `answer`.

        Raises:
            UsageError: It is none of these.
        """
        kind, _, number = text.partition("=")
        try:
            value = float(number) if number else 0.0
        except ValueError:
            value = -1.0
        if kind == "answer" and not number:
            return cls("answer")
        if kind == "sensitivity" and 0 < value < 1:
            return cls("sensitivity", value)
        if kind == "cost" and 0 < value < float("inf"):
            return cls("cost", value)
        raise UsageError(f"risk {text!r}: write sensitivity=0.95, cost=20 (of a missed malignancy), or answer")


@dataclass(frozen=True)
class RiskScale:
    """A rule, worked out for a model.

    Attributes:
        rule: The rule.
        looked_for: Whose probability counts.
        threshold: From which probability on the risk is more than low; None where it goes by the answer.
        point: The threshold with what it costs, for a sensitivity.
    """

    rule: RiskRule
    looked_for: str
    threshold: float | None = None
    point: OperatingPoint | None = None

    @classmethod
    def of(cls, info: BundleInfo, rule: RiskRule | None) -> "RiskScale":
        """Work a rule out.

        Args:
            info: The model.
            rule: The rule; None: 95 % sensitivity, or the answer for a model without thresholds.

        Raises:
            UsageError: The model has no threshold for this sensitivity.
        """
        looked_for = info.looked_for
        if rule is not None and rule.kind == "answer":
            return cls(rule, looked_for)
        if rule is not None and rule.kind == "cost":
            return cls(rule, looked_for, 1 / (1 + rule.value))
        wanted = rule.value if rule is not None else DEFAULT_SENSITIVITY
        point = _point_for(info, wanted)
        if point is not None:
            return cls(RiskRule("sensitivity", wanted), looked_for, point.threshold, point)
        if rule is None:
            return cls(RiskRule("answer"), looked_for)
        raise UsageError(
            f"{info.identity} has no threshold for {wanted:.0%} sensitivity: they reach from 50% to 99%, and an "
            "ensemble of bundles has none; give another sensitivity, cost= or answer"
        )

    def level(self, answer: str, info: BundleInfo, suspicion: float, probability: float) -> Risk:
        """Return the level of one image.

        Args:
            answer: Code of the class that was answered.
            info: The model.
            suspicion: Probability of what is looked for at the class frequencies of the training data.
            probability: The same at the prevalence that was asked for.
        """
        if self.threshold is None:
            return TASKS[info.task].risk_of(answer)
        # A sensitivity's threshold was chosen at the data's frequencies; a cost speaks of the patient's probability.
        reached = (suspicion if self.rule.kind == "sensitivity" else probability) >= self.threshold
        if not reached:
            return Risk.LOW
        return Risk.HIGH if probability >= _LIKELIER else Risk.MODERATE

    @property
    def meaning(self) -> str:
        """The rule in words, as they stand beside a level."""
        if self.threshold is None:
            return "risk is that of the answer"
        noun = NOUNS[self.looked_for]
        basis = (
            f"the threshold for {self.rule.value:.0%} sensitivity"
            if self.rule.kind == "sensitivity"
            else f"{self.threshold:.1%}, from where looking pays if a miss costs {self.rule.value:g} times as much"
        )
        return f"risk is low below {basis}, high where {noun} is more probable than not"


def with_point(info: BundleInfo, point: OperatingPoint | None) -> BundleInfo:
    """Return the description of a model with a threshold of the user's own beside those it has."""
    if point is None or point in info.operating_points:
        return info
    return info.model_copy(update={"operating_points": (*info.operating_points, point)})


def _point_for(info: BundleInfo, sensitivity: float) -> OperatingPoint | None:
    """Return the threshold for a sensitivity: one of the model's own with its test figures, else from its curve."""
    for point in info.operating_points:
        if point.looked_for == info.looked_for and abs(point.target_sensitivity - sensitivity) < 1e-9:
            return point
    curve = next((c for c in info.sensitivity_curves if c.looked_for == info.looked_for), None)
    found = curve.reaching(sensitivity) if curve is not None else None
    if curve is None or found is None:
        return None
    ppv, npv = predictive_values(found.sensitivity, found.specificity, curve.prevalence)
    return OperatingPoint(
        name=f"sensitivity_{100 * sensitivity:g}",
        looked_for=curve.looked_for,
        target_sensitivity=sensitivity,
        threshold=found.threshold,
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        ppv=ppv,
        npv=npv,
        prevalence=curve.prevalence,
        measured_on="validation",
    )

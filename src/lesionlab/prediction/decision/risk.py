"""Risk levels: high, moderate or low, from a stated sensitivity, specificity, threshold or cost.

A sensitivity or specificity refers to a threshold that was chosen on validation lesions. With a confidence, the
sensitivity is guaranteed (see `lesionlab.metrics.operating_point.guaranteed_threshold`). A cost C means that a missed
malignancy is as bad as C false positives; a positive decision then pays from a probability of 1 / (1 + C) (the Bayes
rule for two kinds of errors; Elkan, IJCAI 2001). Below the threshold the risk is low. Above it, the risk is high where
malignancy is more probable than not, otherwise moderate. A malignant first diagnosis is never of low risk.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast, get_args

from lesionlab.bundle import BundleInfo, OperatingPoint, SensitivityCurve
from lesionlab.bundle.operating_points import NOUNS
from lesionlab.errors import UsageError
from lesionlab.metrics import predictive_values
from lesionlab.taxonomy import TASKS, Risk, Target, is_of_target

DEFAULT_SENSITIVITY: Final = 0.95
_MORE_PROBABLE_THAN_NOT: Final = 0.5


@dataclass(frozen=True)
class RiskRule:
    """The rule behind the risk level.

    Attributes:
        kind: `sensitivity`, `specificity` or `cost`, as above; `threshold`: a probability; `diagnosis`: the level of
            the most probable diagnosis, which ignores the other diagnoses.
        value: The sensitivity, specificity or threshold, between 0 and 1, or the cost, above 0.
        confidence: Confidence of a guaranteed sensitivity; None for any other rule.
        target: The target of a sensitivity or specificity; None: the main target of the model.
    """

    kind: Literal["sensitivity", "specificity", "threshold", "cost", "diagnosis"]
    value: float = 0.0
    confidence: float | None = None
    target: Target | None = None

    @classmethod
    def parse(cls, text: str) -> "RiskRule":
        """Read a rule: `diagnosis`, `sensitivity=0.95`, or another kind with its value.

        A guaranteed sensitivity is `sensitivity=0.95,confidence=0.95`; `sensitivity=0.95,target=melanoma` refers to
        melanoma alone.

        Raises:
            UsageError: The text is none of these.
        """
        rule, targeted, target = text.partition(",target=")
        if targeted:
            found = cls.parse(rule)
            if found.kind not in ("sensitivity", "specificity") or target not in get_args(Target):
                raise UsageError(f"risk {text!r}: a target is malignant or melanoma, of a sensitivity or specificity")
            return replace(found, target=cast(Target, target))
        kind, _, numbers = text.partition("=")
        number, guaranteed, confidence = numbers.partition(",confidence=")
        try:
            value, level = float(number or 0), float(confidence) if guaranteed else None
        except ValueError:
            value, level = -1.0, None
        if kind == "diagnosis" and not numbers:
            return cls("diagnosis")
        if kind == "sensitivity" and 0 < value < 1 and (level is None or 0 < level < 1):
            return cls("sensitivity", value, level)
        if kind == "specificity" and 0 < value < 1 and level is None:
            return cls("specificity", value)
        if kind == "threshold" and 0 < value < 1 and level is None:
            return cls("threshold", value)
        if kind == "cost" and 0 < value < float("inf") and level is None:
            return cls("cost", value)
        raise UsageError(
            f"risk {text!r}: write sensitivity=0.95, sensitivity=0.95,confidence=0.95, specificity=0.9, "
            "threshold=0.1, cost=20 (a missed malignancy costs as much as 20 false positives), or diagnosis"
        )

    @classmethod
    def of_options(cls, risk: "RiskRule | str | None", threshold: float | None) -> "RiskRule | None":
        """Return the rule that a user states as a rule, as its text, or as a threshold; None without any.

        Raises:
            UsageError: Two are given, or one is invalid.
        """
        if threshold is None:
            return cls.parse(risk) if isinstance(risk, str) else risk
        if risk is not None:
            raise UsageError("a risk rule and a threshold exclude each other; give one of them")
        if not 0 < threshold < 1:
            raise UsageError(f"threshold {threshold:g}: give a probability between 0 and 1, such as 0.1")
        return cls("threshold", threshold)


@dataclass(frozen=True)
class RiskScale:
    """A risk rule applied to a model.

    Attributes:
        target: The target whose probability counts.
        threshold: The risk is above low from this probability; None for the rule `diagnosis`.
        point: The operating point of a sensitivity or specificity.
    """

    rule: RiskRule
    task: str
    target: Target
    threshold: float | None = None
    point: OperatingPoint | None = None

    @classmethod
    def of(cls, info: BundleInfo, rule: RiskRule | None) -> "RiskScale":
        """Apply a rule to a model; the default is 95% sensitivity, or `diagnosis` for a model without thresholds.

        Raises:
            UsageError: The model has no threshold for this sensitivity or specificity.
        """
        if rule is not None and rule.kind == "diagnosis":
            return cls(rule, info.task, info.target)
        if rule is not None and rule.kind in ("cost", "threshold"):
            own = rule.value if rule.kind == "threshold" else 1 / (1 + rule.value)
            return cls(rule, info.task, info.target, own)
        wanted = rule or RiskRule("sensitivity", DEFAULT_SENSITIVITY)
        point = _point_for(info, wanted)
        if point is not None:
            return cls(wanted, info.task, point.target, point.threshold, point)
        if rule is None:
            return cls(RiskRule("diagnosis"), info.task, info.target)
        raise UsageError(
            f"{info.identity} has no threshold for {_name(wanted)}: {_available(info, wanted)}; give another value, "
            "threshold=, cost= or diagnosis"
        )

    def level(self, code: str, unshifted: float, shown: float, *, patient: bool = False) -> Risk:
        """Return the risk level of an image.

        Args:
            code: The most probable class.
            unshifted: Probability of the target at the class frequencies of the training data.
            shown: The same at the prevalence that the user states.
            patient: Whether patient data changed the probabilities.
        """
        if self.threshold is None:
            return TASKS[self.task].risk_of(code)
        # A point's threshold was chosen at the data's frequencies; a threshold or a cost of the user concerns the
        # probability that is shown.
        if self.point is None:
            positive = shown >= self.threshold
        else:
            positive = unshifted >= (self.point.with_patient_data() if patient else self.point).threshold
        if not positive:
            return Risk.MODERATE if is_of_target(code, "malignant") else Risk.LOW
        return Risk.HIGH if shown >= _MORE_PROBABLE_THAN_NOT else Risk.MODERATE

    @property
    def own_point(self) -> dict[str, Any] | None:
        """Name, target and threshold of the user's own threshold or cost, None for another rule."""
        if self.rule.kind not in ("cost", "threshold"):
            return None
        return {"name": f"{self.rule.kind}={self.rule.value:g}", "target": self.target, "threshold": self.threshold}

    @property
    def text(self) -> str:
        """The rule in words."""
        if self.threshold is None:
            return "risk is that of the most probable diagnosis"
        if self.point is not None:
            basis = f"the threshold for {_name(self.rule)}"
        elif self.rule.kind == "cost":
            basis = f"{self.threshold:.1%} (a missed malignancy costs as much as {self.rule.value:g} false positives)"
        else:
            basis = f"{100 * self.threshold:g}%"
        return f"risk is low below {basis}, high where {NOUNS[self.target]} is more probable than not"


def with_point(info: BundleInfo, point: OperatingPoint | None) -> BundleInfo:
    """Return the description of a model with one more operating point, if it is not one of its own."""
    if point is None or point in info.operating_points:
        return info
    return info.model_copy(update={"operating_points": (*info.operating_points, point)})


def _name(rule: RiskRule) -> str:
    guarantee = f" at {100 * rule.confidence:g}% confidence" if rule.confidence else ""
    return f"{100 * rule.value:g}% {rule.kind}{guarantee}"


def _available(info: BundleInfo, rule: RiskRule) -> str:
    """Return the values of a rule's kind that a model has thresholds for, in words."""
    target = rule.target or info.target
    if rule.confidence is not None:
        names = [p.name for p in info.operating_points if p.target == target and p.confidence is not None]
        return f"its guaranteed thresholds are for {' and '.join(names)}" if names else "it has no guaranteed threshold"
    if (curve := _curve(info, target)) is None:
        return "it has no thresholds for other sensitivities"
    if rule.kind == "sensitivity":
        return "its thresholds are for 50% to 99%"
    return f"its thresholds have at most {max(point.specificity for point in curve.points):.1%}"


def _curve(info: BundleInfo, target: Target) -> SensitivityCurve | None:
    return next((curve for curve in info.sensitivity_curves if curve.target == target), None)


def _point_for(info: BundleInfo, rule: RiskRule) -> OperatingPoint | None:
    """Return the operating point for a sensitivity or specificity: one of the model's own, else one of its curve."""
    target = rule.target or info.target
    for point in info.operating_points:
        same = rule.kind == "sensitivity" and abs(point.target_sensitivity - rule.value) < 1e-9
        if same and point.target == target and point.confidence == rule.confidence:
            return point
    curve = _curve(info, target)
    if curve is None or rule.confidence is not None:
        return None
    found = curve.reaching(rule.value) if rule.kind == "sensitivity" else curve.with_specificity(rule.value)
    if found is None:
        return None
    ppv, npv = predictive_values(found.sensitivity, found.specificity, curve.prevalence)
    return OperatingPoint(
        name=_name(rule),
        target=curve.target,
        target_sensitivity=rule.value if rule.kind == "sensitivity" else found.target_sensitivity,
        threshold=found.threshold,
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        ppv=ppv,
        npv=npv,
        prevalence=curve.prevalence,
        measured_on="validation",
        patient=found.patient,
    )

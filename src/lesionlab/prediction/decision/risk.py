"""Risk levels: high, moderate or low, from a stated sensitivity or a stated cost of a missed malignancy.

A sensitivity refers to a threshold that was chosen on validation lesions. A cost C means that a missed malignancy is
as bad as C false positives; a positive decision then pays from a probability of 1 / (1 + C) (the Bayes rule for two
kinds of errors; Elkan, IJCAI 2001). Below the threshold the risk is low. Above it, the risk is high where malignancy
is more probable than not, otherwise moderate. A malignant first diagnosis is never of low risk.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from lesionlab.bundle import BundleInfo, OperatingPoint
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
        kind: `sensitivity` or `cost`, as above; `diagnosis`: the level of the most probable diagnosis, which ignores
            the other diagnoses.
        value: The sensitivity, between 0 and 1, or the cost, above 0.
    """

    kind: Literal["sensitivity", "cost", "diagnosis"]
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "RiskRule":
        """Read `sensitivity=0.95`, `cost=20` or `diagnosis`.

        Raises:
            UsageError: The text is none of these.
        """
        kind, _, number = text.partition("=")
        try:
            value = float(number) if number else 0.0
        except ValueError:
            value = -1.0
        if kind == "diagnosis" and not number:
            return cls("diagnosis")
        if kind == "sensitivity" and 0 < value < 1:
            return cls("sensitivity", value)
        if kind == "cost" and 0 < value < float("inf"):
            return cls("cost", value)
        raise UsageError(
            f"risk {text!r}: write sensitivity=0.95, cost=20 (a missed malignancy costs as much as 20 false "
            "positives), or diagnosis"
        )


@dataclass(frozen=True)
class RiskScale:
    """A risk rule applied to a model.

    Attributes:
        target: The target whose probability counts.
        threshold: The risk is above low from this probability; None for the rule `diagnosis`.
        point: The operating point of a sensitivity.
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
            UsageError: The model has no threshold for this sensitivity.
        """
        if rule is not None and rule.kind == "diagnosis":
            return cls(rule, info.task, info.target)
        if rule is not None and rule.kind == "cost":
            return cls(rule, info.task, info.target, 1 / (1 + rule.value))
        wanted = rule.value if rule is not None else DEFAULT_SENSITIVITY
        point = _point_for(info, wanted)
        if point is not None:
            return cls(RiskRule("sensitivity", wanted), info.task, info.target, point.threshold, point)
        if rule is None:
            return cls(RiskRule("diagnosis"), info.task, info.target)
        raise UsageError(
            f"{info.identity} has no threshold for {wanted:.0%} sensitivity: its thresholds are for 50% to 99%; give "
            "another sensitivity, cost= or diagnosis"
        )

    def level(self, code: str, unshifted: float, shown: float) -> Risk:
        """Return the risk level of an image.

        Args:
            code: The most probable class.
            unshifted: Probability of the target at the class frequencies of the training data.
            shown: The same at the prevalence that the user states.
        """
        if self.threshold is None:
            return TASKS[self.task].risk_of(code)
        # A sensitivity's threshold was chosen at the data's frequencies; a cost concerns the patient's probability.
        if (unshifted if self.rule.kind == "sensitivity" else shown) < self.threshold:
            return Risk.MODERATE if is_of_target(code, "malignant") else Risk.LOW
        return Risk.HIGH if shown >= _MORE_PROBABLE_THAN_NOT else Risk.MODERATE

    @property
    def cost_point(self) -> dict[str, Any] | None:
        """Name, target and threshold of a cost rule, None for another rule."""
        if self.rule.kind != "cost":
            return None
        return {"name": f"cost={self.rule.value:g}", "target": self.target, "threshold": self.threshold}

    @property
    def text(self) -> str:
        """The rule in words."""
        if self.threshold is None:
            return "risk is that of the most probable diagnosis"
        basis = (
            f"the threshold for {self.rule.value:.0%} sensitivity"
            if self.rule.kind == "sensitivity"
            else f"{self.threshold:.1%} (a missed malignancy costs as much as {self.rule.value:g} false positives)"
        )
        return f"risk is low below {basis}, high where {NOUNS[self.target]} is more probable than not"


def with_point(info: BundleInfo, point: OperatingPoint | None) -> BundleInfo:
    """Return the description of a model with one more operating point, if it is not one of its own."""
    if point is None or point in info.operating_points:
        return info
    return info.model_copy(update={"operating_points": (*info.operating_points, point)})


def _point_for(info: BundleInfo, sensitivity: float) -> OperatingPoint | None:
    """Return the operating point for a sensitivity: one of the model's own, else a point of its curve."""
    for point in info.operating_points:
        if point.target == info.target and abs(point.target_sensitivity - sensitivity) < 1e-9:
            return point
    curve = next((c for c in info.sensitivity_curves if c.target == info.target), None)
    found = curve.reaching(sensitivity) if curve is not None else None
    if curve is None or found is None:
        return None
    ppv, npv = predictive_values(found.sensitivity, found.specificity, curve.prevalence)
    return OperatingPoint(
        name=f"{100 * sensitivity:g}% sensitivity",
        target=curve.target,
        target_sensitivity=sensitivity,
        threshold=found.threshold,
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        ppv=ppv,
        npv=npv,
        prevalence=curve.prevalence,
        measured_on="validation",
    )

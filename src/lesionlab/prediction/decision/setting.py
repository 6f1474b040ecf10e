"""The population and the operating point that a result refers to."""

from collections.abc import Mapping
from dataclasses import dataclass

from lesionlab.bundle import BundleInfo, OperatingPoint
from lesionlab.prediction.decision.prevalence import PriorShift, at_prevalence, prior_shift
from lesionlab.prediction.decision.risk import RiskRule, RiskScale, with_point


@dataclass(frozen=True)
class Setting:
    """A model at a stated prevalence and risk rule.

    Attributes:
        info: Description of the model; predictive values are those at the stated prevalence.
        risk: The risk rule applied to the model.
        shift: From the class frequencies of the calibration to those that the user states; None: unchanged.
        points: Operating points of a result; the one behind the risk level comes first.
    """

    info: BundleInfo
    risk: RiskScale
    shift: PriorShift | None
    points: tuple[OperatingPoint, ...]

    @classmethod
    def of(
        cls, info: BundleInfo, prevalence: Mapping[str, float] | None = None, risk: RiskRule | None = None
    ) -> "Setting":
        """Return a model at a prevalence and a risk rule; None: that of the training data, and the default rule.

        Raises:
            UsageError: The prevalence does not fit the model, or it has no threshold for the risk rule.
        """
        scale = RiskScale.of(info, risk)
        info = with_point(info, scale.point)
        shift = prior_shift(info, prevalence) if prevalence else None
        info = at_prevalence(info, shift) if shift else info
        behind_risk = (scale.point.name, scale.point.target) if scale.point else None
        named = {(point.name, point.target): point for point in info.operating_points}
        # Guaranteed thresholds are compared on request only: they make most images positive, and every positive
        # decision adds its target to the prediction set.
        others = [point for key, point in named.items() if key != behind_risk and point.confidence is None]
        first = [named[behind_risk]] if behind_risk else []
        return cls(info, scale, shift, (*first, *others))

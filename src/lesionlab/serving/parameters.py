"""Parameters of a prediction beside its images: patient data, prevalence and risk rule."""

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from lesionlab.bundle import Patient
from lesionlab.bundle.patient import omit_null
from lesionlab.errors import UsageError
from lesionlab.prediction.decision.prevalence import parse_prevalence
from lesionlab.prediction.decision.risk import RiskRule
from lesionlab.serving.problem import field_error, invalid_fields

Made = TypeVar("Made")


class SettingParameters(BaseModel):
    """The population and the operating point that results refer to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prevalence: Annotated[
        str | None,
        Field(
            max_length=256,
            description="Prevalence in the population, such as malignant=0.02, or of classes: mel=0.03,bcc=0.01.",
            json_schema_extra=omit_null,
        ),
    ] = None
    risk: Annotated[
        str | None,
        Field(
            max_length=64,
            description="Risk rule: sensitivity=0.9 or specificity=0.9, also with ,target=melanoma; threshold=0.1; "
            "cost=20; diagnosis.",
            json_schema_extra=omit_null,
        ),
    ] = None

    def setting(self, make: Callable[[Mapping[str, float] | None, RiskRule | None], Made]) -> Made | None:
        """Return the setting for a model; None without parameters.

        Args:
            make: The model's `setting` or `settings`, of a prevalence and a risk rule.

        Raises:
            ProblemError: A parameter is invalid, or the model has no threshold for the rule.
        """
        if not self.prevalence and not self.risk:
            return None
        name = "risk"
        try:
            rule = RiskRule.parse(self.risk) if self.risk else None
            make(None, rule)
            name = "prevalence"
            return make(parse_prevalence(self.prevalence.split(",")) if self.prevalence else None, rule)
        except UsageError as error:
            raise invalid_fields([field_error(name, str(error))]) from error


class JobParameters(SettingParameters):
    """Parameters of a new job."""

    images: Annotated[
        int | None,
        Field(
            ge=1,
            description="Number of images of the job; default: those in this request.",
            json_schema_extra=omit_null,
        ),
    ] = None


class PredictParameters(SettingParameters, Patient):
    """Parameters of `/v1/predict` and `/v1/predict/lesion` beside the images."""


class ExplainParameters(PredictParameters):
    """Parameters of `/v1/explain` beside the image."""

    diagnosis: Annotated[
        str | None,
        Field(
            max_length=32,
            description="Code of the class to explain; default: the most probable one.",
            json_schema_extra=omit_null,
        ),
    ] = None

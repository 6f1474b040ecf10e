"""Parameters of a prediction beside its images: patient data, prevalence and risk rule."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lesionlab.bundle import Patient
from lesionlab.bundle.patient import omit_null
from lesionlab.errors import UsageError
from lesionlab.prediction.decision.prevalence import parse_prevalence
from lesionlab.prediction.decision.risk import RiskRule
from lesionlab.prediction.decision.setting import Setting
from lesionlab.prediction.pipeline import Pipeline
from lesionlab.serving.problem import field_error, invalid_fields


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

    def setting(self, pipeline: Pipeline) -> Setting | None:
        """Return the setting for a model; None without parameters.

        Raises:
            ProblemError: A parameter is invalid, or the model has no threshold for the rule.
        """
        if not self.prevalence and not self.risk:
            return None
        name = "risk"
        try:
            rule = RiskRule.parse(self.risk) if self.risk else None
            pipeline.setting(None, rule)
            name = "prevalence"
            return pipeline.setting(parse_prevalence(self.prevalence.split(",")) if self.prevalence else None, rule)
        except UsageError as error:
            raise invalid_fields([field_error(name, str(error))]) from error


class PredictParameters(SettingParameters, Patient):
    """Parameters of `/v1/predict` beside the image."""


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

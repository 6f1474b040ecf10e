"""Base classes of the package's data models."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FrozenModel(BaseModel):
    """A read-only model. Unknown keys are ignored, so that an older reader accepts newer data."""

    # Responses always hold fields with defaults, and the API schema lists them as required.
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class StrictModel(BaseModel):
    """A read-only model that rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)

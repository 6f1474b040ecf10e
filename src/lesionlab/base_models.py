"""Base classes of the package's data models."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Responses always hold fields with defaults, and the API schema lists them as required. Validators are built when
# they are first used: a prediction needs few of them.
_CONFIG = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True, defer_build=True)
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FrozenModel(BaseModel):
    """A read-only model. Unknown keys are ignored, so that an older reader accepts newer data."""

    model_config = _CONFIG


class StrictModel(BaseModel):
    """A read-only model that rejects unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True, defer_build=True
    )

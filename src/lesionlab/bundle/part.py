"""What every model in a bundle's JSON files has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Part(BaseModel):
    """A piece of a bundle's description: read-only, and strict about what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

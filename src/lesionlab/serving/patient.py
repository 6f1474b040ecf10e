"""What a caller may tell of the patient, and of the answer wanted."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Site(StrEnum):
    """Places on the body, as HAM10000 names them."""

    ABDOMEN = "abdomen"
    ACRAL = "acral"
    BACK = "back"
    CHEST = "chest"
    EAR = "ear"
    FACE = "face"
    FOOT = "foot"
    GENITAL = "genital"
    HAND = "hand"
    LOWER_EXTREMITY = "lower extremity"
    NECK = "neck"
    SCALP = "scalp"
    TRUNK = "trunk"
    UPPER_EXTREMITY = "upper extremity"
    UNKNOWN = "unknown"


class Patient(BaseModel):
    """What is known of the patient; each is optional, as a form field or in the query."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    age: Annotated[float | None, Field(ge=0, le=120, allow_inf_nan=False, description="Age in years.")] = None
    sex: Annotated[Literal["female", "male"] | None, Field(description="Sex.")] = None
    site: Annotated[Site | None, Field(description="Place on the body.")] = None

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unknown(cls, value: object) -> object:
        return None if value == "" else value

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the result has to know of it."""
        given = [name for name in ("age", "sex", "site") if getattr(self, name) is not None]
        return (f"{' and '.join(given)} given, but not read: this model judges the picture alone",) if given else ()


class Question(Patient):
    """What `/v1/explain` may be asked."""

    diagnosis: Annotated[
        str | None, Field(max_length=32, description="Class to explain, by its code; default: the most probable one.")
    ] = None

"""Patient data, and their effect on the probability of each diagnosis."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from lesionlab.base_models import StrictModel
from lesionlab.data.readers.values import SEXES, UNKNOWN, number_text, site_name
from lesionlab.metrics.arrays import FloatArray

Row = tuple[float, ...]


class Site(StrEnum):
    """Anatomical sites, as HAM10000 names them."""

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

    @classmethod
    def named(cls, text: str) -> "Site | None":
        """Return the site by any usual name, None for one that the training data do not name."""
        name = site_name(text)
        return cls(name) if name in tuple(cls) and name != cls.UNKNOWN else None


def omit_null(schema: dict[str, Any]) -> None:
    """Leave null out of the JSON schema of a field of a query or form, which is omitted instead."""
    if "anyOf" in schema:
        (schema_of_value,) = (one for one in schema.pop("anyOf") if one != {"type": "null"})
        schema |= schema_of_value
    schema.pop("default", None)


class Patient(BaseModel):
    """Patient data; each item may be missing.

    Values are read as tables have them: `F` and `M`, decimal commas, and the sites of other datasets.

    Example:
        >>> Patient.model_validate({"age": "57", "sex": "F", "site": "anterior torso"})
        Patient(age=57.0, sex='female', site=<Site.TRUNK: 'trunk'>)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    age: Annotated[
        float | None,
        Field(ge=0, le=120, allow_inf_nan=False, description="Age in years.", json_schema_extra=omit_null),
    ] = None
    sex: Annotated[
        Literal["female", "male"] | None, Field(description="Sex; also F or M.", json_schema_extra=omit_null)
    ] = None
    site: Annotated[
        Site | None,
        Field(description="Anatomical site; also by the names of the ISIC archive.", json_schema_extra=omit_null),
    ] = None

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unknown(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("age", "sex", "site", mode="before")
    @classmethod
    def _as_in_tables(cls, value: object, field: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        text = value.strip().lower()
        if field.field_name == "site" and text == Site.UNKNOWN:
            return Site.UNKNOWN
        if text in UNKNOWN:
            return None
        if field.field_name == "sex":
            return SEXES.get(text, text)
        return site_name(text) if field.field_name == "site" else number_text(text)

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the known items."""
        known = {"age": self.age, "sex": self.sex, "site": None if self.site is Site.UNKNOWN else self.site}
        return tuple(name for name, value in known.items() if value is not None)


class PatientEffects(StrictModel):
    """Effects of age, sex and site: log likelihood ratios that are added to the log-probabilities.

    The ratio of a value is log p(value | class) - log p(value) among the training lesions, smoothed. Adding it is
    Bayes' rule for findings that are independent of the image given the class. They are not quite independent, so
    `strength`, fitted on validation lesions, reduces the effect. A missing item adds nothing, so a prediction without
    patient data depends on the image alone.

    Attributes:
        ages: Ages in years of the rows of `age`, ascending; values between them are interpolated.
        age: C ratios for each age.
        sex: C ratios by sex.
        site: C ratios by anatomical site; a site that is rare in training is absent and adds nothing.
        images: Number of validation images used for the fit.
        nll_without: Negative log likelihood on those images without patient data.
        nll_with: The same with patient data, in cross-validation over lesions.
    """

    ages: Row
    age: tuple[Row, ...]
    sex: dict[Literal["female", "male"], Row]
    site: dict[str, Row]
    strength: float = Field(gt=0, le=2)
    images: int = Field(ge=1)
    nll_without: float
    nll_with: float

    @model_validator(mode="after")
    def _rows_fit(self) -> "PatientEffects":
        if len(self.ages) != len(self.age) or list(self.ages) != sorted(set(self.ages)):
            raise ValueError("ages must ascend, with one row of ratios for each")
        if len({len(row) for row in self._rows}) > 1:
            raise ValueError("all rows of ratios must have one number for each class")
        return self

    @property
    def classes(self) -> int | None:
        """Number of classes; None if there is no row at all."""
        return next((len(row) for row in self._rows), None)

    @property
    def _rows(self) -> tuple[Row, ...]:
        return (*self.age, *self.sex.values(), *self.site.values())

    def log_ratio(self, patient: Patient) -> FloatArray:
        """Return the sum of ratios for a patient, [C], or 0 [] without patient data."""
        total = np.zeros(())
        if patient.age is not None and self.ages:
            columns = np.array(self.age).T
            total = total + np.array([np.interp(patient.age, self.ages, column) for column in columns])
        for row in (self.sex.get(patient.sex) if patient.sex else None, self.site.get(patient.site or "")):
            if row is not None:
                total = total + np.array(row)
        return np.asarray(self.strength * total)

    def adjusted(self, probabilities: FloatArray, patient: Patient) -> FloatArray:
        """Return the probabilities [C] of an image with the patient data taken into account."""
        ratio = self.log_ratio(patient)
        if not ratio.ndim:
            return probabilities
        weighted = probabilities * np.exp(ratio - ratio.max())
        adjusted: FloatArray = weighted / weighted.sum()
        return adjusted

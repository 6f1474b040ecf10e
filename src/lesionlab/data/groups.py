"""Values of the metadata by which images are grouped in counts and results."""

import math
from itertools import pairwise
from typing import Literal

from lesionlab.data.manifest import ImageRecord

GroupBy = Literal["sex", "age", "site", "dx_type", "source", "skin_tone"]

UNKNOWN = "unknown"
DX_TYPES = {
    "histo": "histopathology",
    "follow_up": "follow-up",
    "consensus": "expert consensus",
    "confocal": "confocal microscopy",
}

_AGES = (0, 30, 45, 60, 75, math.inf)


def group_value(record: ImageRecord, group: GroupBy) -> str:
    """Return the value of a record in a group: `45 to 59`, `female`, `class 3`; `unknown` where not stated."""
    if group == "age":
        return UNKNOWN if record.age is None else _age_band(record.age)
    if group == "skin_tone":
        return UNKNOWN if record.skin_tone is None else f"class {record.skin_tone}"
    value: str | None = getattr(record, group)
    return value or UNKNOWN


def _age_band(age: float) -> str:
    low, high = next((low, high) for low, high in pairwise(_AGES) if age < high)
    return f"{low} and over" if high == math.inf else f"{low} to {high - 1}"

"""What a caller may ask beside the image."""

from typing import Annotated

from pydantic import Field

from lesionlab.bundle import Patient


class Question(Patient):
    """What `/v1/explain` may be asked."""

    diagnosis: Annotated[
        str | None, Field(max_length=32, description="Class to explain, by its code; default: the answer.")
    ] = None

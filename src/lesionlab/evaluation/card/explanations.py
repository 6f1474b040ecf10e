"""What was measured of a model's explanations, as `lesionlab check-explanations` tells of it."""

import json
from pathlib import Path

from pydantic import ValidationError

from lesionlab.attribution.result import ModelCheck
from lesionlab.bundle import BundleInfo
from lesionlab.errors import DataError, UsageError


def read_explanations(place: Path, info: BundleInfo) -> ModelCheck:
    """Read what was measured of a model's explanations.

    Args:
        place: The folder that `lesionlab check-explanations` wrote, or its `attribution.json`, with this model or
            more.
        info: The model that it should be of.

    Raises:
        DataError: There is no such file, or it is not what `lesionlab check-explanations` writes.
        UsageError: It is of other models alone.
    """
    path = place / "attribution.json" if place.is_dir() else place
    try:
        models = [ModelCheck.model_validate(row) for row in json.loads(path.read_bytes())["models"]]
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} cannot be read ({reason}); `lesionlab check-explanations` writes it") from error
    except (ValueError, TypeError, KeyError, ValidationError) as error:
        message = f"{path} is not what `lesionlab check-explanations` writes; check the explanations again"
        raise DataError(message) from error
    found = next((model for model in models if model.graph_sha256 == info.graph_sha256), None)
    if found is None:
        raise UsageError(f"{path} has no explanations of {info.identity}; check those of this model")
    return found

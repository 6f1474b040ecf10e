"""Reading of the measures of a model's explanations, written by `lesionlab check-explanations`."""

import json
from pathlib import Path

from pydantic import ValidationError

from lesionlab.attribution.result import ModelCheck
from lesionlab.bundle import BundleInfo
from lesionlab.errors import DataError, UsageError


def read_explanations(path: Path, info: BundleInfo) -> ModelCheck:
    """Read the measures of a model's explanations.

    Args:
        path: The folder of `lesionlab check-explanations`, or its `attribution.json`.
        info: The model.

    Raises:
        DataError: The file is missing or has another format.
        UsageError: The file has no entry for the model.
    """
    path = path / "attribution.json" if path.is_dir() else path
    try:
        models = [ModelCheck.model_validate(row) for row in json.loads(path.read_bytes())["models"]]
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} cannot be read ({reason}); `lesionlab check-explanations` writes it") from error
    except (ValueError, TypeError, KeyError, ValidationError) as error:
        message = f"{path} was not written by `lesionlab check-explanations`; check the explanations again"
        raise DataError(message) from error
    found = next((model for model in models if model.graph_sha256 == info.graph_sha256), None)
    if found is None:
        raise UsageError(f"{path} has no explanations of {info.identity}; check the explanations of this model")
    return found

"""OpenAPI descriptions of problems, and of bodies that are parsed by the package."""

from typing import Any, Final

from lesionlab.bundle import Patient
from lesionlab.serving.problem import MEDIA_TYPE

_DESCRIPTIONS: Final = {
    400: "The form is malformed.",
    401: "The API key is missing or wrong.",
    404: "Not found.",
    408: "The request did not arrive in time.",
    409: "The model does not support this.",
    413: "The request is too large.",
    415: "Not an image of a supported format.",
    421: "The server does not serve this host name.",
    422: "The image is damaged, too large or too small; a field is invalid; there are too many files.",
    429: "Too many requests from one address.",
    500: "Internal server error.",
    503: "The server is busy or stopping.",
}
_BYTES: Final = {"type": "string", "format": "binary"}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of problems with these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _DESCRIPTIONS[status], "content": content} for status in statuses}


IMAGE_PROBLEMS: Final = problems(400, 401, 408, 413, 415, 421, 422, 429, 500, 503)


def one_image(fields: type[Patient]) -> dict[str, Any]:
    """Return the description of a body with one image: a form with the fields of a model, or the file itself."""
    form = _form({"file": _BYTES} | _properties(fields), "file")
    return {"requestBody": {"required": True, "content": {"multipart/form-data": form, "image/*": {"schema": _BYTES}}}}


def several_images(max_batch: int) -> dict[str, Any]:
    """Return the description of a form with several images."""
    files = {"type": "array", "items": _BYTES, "minItems": 1, "maxItems": max_batch}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": _form({"files": files}, "files")}}}


def _form(properties: dict[str, Any], required: str) -> dict[str, Any]:
    return {
        "schema": {"type": "object", "properties": properties, "required": [required], "additionalProperties": False}
    }


def _properties(fields: type[Patient]) -> dict[str, Any]:
    schema = fields.model_json_schema(ref_template="#/components/schemas/{model}")
    properties: dict[str, Any] = schema["properties"]
    return properties

"""OpenAPI descriptions of problems, keys, headers, and of bodies that are parsed by the package."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Final

from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel

from lesionlab.results import BatchLine, FieldError, Problem, ProblemType
from lesionlab.serving.media import DICOM, DICOM_JSON, DICOM_PARTS, FHIR, JSON, NDJSON
from lesionlab.serving.parameters import PredictParameters
from lesionlab.serving.problem import MEDIA_TYPE

_BYTES: Final = {"type": "string", "format": "binary"}
_FIELD_ERROR: Final = FieldError(pointer="#/age", detail="input should be less than or equal to 120")

# Described here; `middleware.ApiKey` checks the keys, before a body is read.
KEY: Final = (
    Security(APIKeyHeader(name="X-API-Key", scheme_name="key", auto_error=False)),
    Security(HTTPBearer(scheme_name="bearer", auto_error=False)),
)

PUBLIC_PROBLEMS: Final = (ProblemType.INVALID_HTTP, ProblemType.UNKNOWN_HOST, ProblemType.INTERNAL_ERROR)
KEY_PROBLEMS: Final = (*PUBLIC_PROBLEMS, ProblemType.KEY_REQUIRED)
API_PROBLEMS: Final = (*KEY_PROBLEMS, ProblemType.RATE_LIMITED)
UPLOAD_PROBLEMS: Final = (
    *API_PROBLEMS,
    ProblemType.CROSS_SITE,
    ProblemType.INVALID_FORM,
    ProblemType.TOO_SLOW,
    ProblemType.TOO_LARGE,
    ProblemType.UNSUPPORTED_BODY,
    ProblemType.INVALID_FIELDS,
    ProblemType.INVALID_FILES,
    ProblemType.BUSY,
    ProblemType.STOPPING,
)
IMAGE_PROBLEMS: Final = (
    *UPLOAD_PROBLEMS,
    ProblemType.UNSUPPORTED_FORMAT,
    ProblemType.UNREADABLE_IMAGE,
    ProblemType.IMAGE_TOO_LARGE,
)

_SCHEMAS: Final = {
    NDJSON: {"schema": {"$ref": "#/components/schemas/BatchLine"}},
    FHIR: {"schema": {"type": "object", "description": "FHIR R4: a DiagnosticReport, or a Bundle for several images."}},
    DICOM: {"schema": _BYTES},
    DICOM_JSON: {"schema": {"type": "object", "description": "PS3.18, 10.5.3: Store Instances Response."}},
    DICOM_PARTS: {"schema": _BYTES},
}
_HEADERS: Final = {
    "X-Request-ID": "Identifier of the request in the server's log: that of the request, or a new one.",
    "Retry-After": "Seconds until the request may be repeated.",
    "WWW-Authenticate": "The scheme in which the key is expected.",
    "ETag": "Version of the response, for `If-None-Match`.",
}
_HEADERS_OF_STATUS: Final = {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}


def problems(*kinds: ProblemType) -> dict[int | str, dict[str, Any]]:
    """Return the description of problems by status, with an example of each type."""
    by_status = groupby(sorted(kinds, key=_status), _status)
    return {status: _described(list(of_status)) for status, of_status in by_status}


def one_image(fields: type[BaseModel]) -> dict[str, Any]:
    """Return the description of a body with one image: a form with the fields of a model, or the file itself."""
    form = _form({"file": _BYTES} | _properties(fields), "file")
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": form,
                "image/*": {"schema": _BYTES},
                "application/dicom": {"schema": _BYTES},
            },
        }
    }


def several_images(max_batch: int, fields: type[BaseModel] | None = None) -> dict[str, Any]:
    """Return the description of a form with several images and the fields of a model."""
    files = {"type": "array", "items": _BYTES, "minItems": 1, "maxItems": max_batch}
    form = _form({"files": files} | (_properties(fields) if fields else {}), "files")
    return {"requestBody": {"required": True, "content": {"multipart/form-data": form}}}


def images_of_lesion(max_batch: int) -> dict[str, Any]:
    """Return the description of a form with the images of a lesion and the parameters of a prediction."""
    files = {"type": "array", "items": _BYTES, "maxItems": max_batch}
    properties = {"dermoscopic": files, "clinical": files} | _properties(PredictParameters)
    return {"requestBody": {"required": True, "content": {"multipart/form-data": _form(properties)}}}


def instances() -> dict[str, Any]:
    """Return the description of a request of STOW-RS with DICOM instances."""
    content = {"multipart/related": {"schema": {"type": "string", "format": "binary"}}}
    return {"requestBody": {"required": True, "content": content}}


def representations(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of the other media types of a response beside JSON."""
    return {200: {"content": {media_type: _SCHEMAS[media_type] for media_type in media_types if media_type != JSON}}}


def complete_description(app: FastAPI) -> None:
    """Add to the description of an application what its routes share: lines, examples of problems, and headers."""
    generated = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = generated()
        lines = BatchLine.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        known = schema["components"]["schemas"]
        schema["components"]["schemas"] = lines.pop("$defs") | {"BatchLine": lines} | known
        schema["components"]["examples"] = {
            kind.slug: {"summary": kind.title, "value": _example(kind)} for kind in ProblemType
        }
        schema["components"]["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()
        }
        for path in schema["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    names = ["X-Request-ID", *_HEADERS_OF_STATUS.get(status, ())]
                    response["headers"] = response.get("headers", {}) | _references(names)
        return schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way to extend the description


def _references(names: list[str]) -> Mapping[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _status(kind: ProblemType) -> int:
    return kind.status


def _described(kinds: list[ProblemType]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    examples = {kind.slug: {"$ref": f"#/components/examples/{kind.slug}"} for kind in kinds}
    content = {MEDIA_TYPE: {"schema": schema, "examples": examples}}
    return {"description": ", or ".join(kind.title for kind in kinds), "content": content}


def _example(kind: ProblemType) -> dict[str, Any]:
    errors = (_FIELD_ERROR,) if kind is ProblemType.INVALID_FIELDS else ()
    detail = "; ".join(f"{one.pointer.removeprefix('#/')}: {one.detail}" for one in errors) or kind.remedy
    return Problem(
        type=kind.uri, title=kind.title, status=kind.status, detail=detail, request_id="8d0f3c5e", errors=errors
    ).model_dump(mode="json")


def _form(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"schema": schema | ({"required": list(required)} if required else {})}


def _properties(fields: type[BaseModel]) -> dict[str, Any]:
    schema = fields.model_json_schema(ref_template="#/components/schemas/{model}")
    properties: dict[str, Any] = schema["properties"]
    return properties

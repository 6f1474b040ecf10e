"""Problems of the API (RFC 9457): their types, for programs, and their details, for people."""

from enum import Enum
from typing import Final

from pydantic import ConfigDict, Field

from lesionlab.base_models import FrozenModel

_PAGE: Final = "https://lesionlab.github.io/lesionlab/reference/problems.html"


class ProblemType(Enum):
    """The types of problems: name, HTTP status, title, and what a client can do.

    Types are added in later versions, but none is renamed. The first type of a status is the general one.
    """

    INVALID_HTTP = "invalid-http", 400, "Invalid HTTP request", "Correct the head of the request."
    INVALID_FORM = "invalid-form", 400, "Malformed form", "Let an HTTP library encode the form."
    KEY_REQUIRED = "key-required", 401, "API key missing or wrong", "Send the key as `X-API-Key` or bearer token."
    CROSS_SITE = "cross-site", 403, "Request of another site", "Start the server with `--cors-origin ORIGIN`."
    NOT_FOUND = "not-found", 404, "Not found", "Compare the path with `/openapi.json`."
    NO_EVALUATION = "no-evaluation", 404, "No evaluation", "Run `lesionlab evaluate` on the bundle, then serve it."
    NO_JOB = "no-job", 404, "No such job", "Start the job again; it has expired, or the server restarted."
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "Method not allowed", "Use a method of the header `Allow`."
    NOT_ACCEPTABLE = "not-acceptable", 406, "No such representation", "Accept a media type that `detail` lists."
    TOO_SLOW = "too-slow", 408, "Request too slow", "Send the request again over a faster connection."
    NOT_EXPLAINABLE = "not-explainable", 409, "Model without explanation", "Use `/v1/predict`."
    WRONG_IMAGE_TYPE = "wrong-image-type", 409, "Images of a wrong type", "Send images of the model's `image_types`."
    NO_JOBS = "no-jobs", 409, "Server without jobs", "Send batches, or start the server with one process."
    JOB_CLOSED = "job-closed", 409, "Job takes no more images", "Start another job for them."
    TOO_LARGE = "too-large", 413, "Request too large", "Scale the image down, or send fewer images."
    UNSUPPORTED_BODY = "unsupported-body", 415, "Unsupported body", "Send a form or an image, uncompressed."
    UNSUPPORTED_FORMAT = "unsupported-format", 415, "Unsupported image format", "Convert the image to JPEG or PNG."
    UNKNOWN_HOST = "unknown-host", 421, "Unknown host name", "Start the server with `--allowed-host NAME`."
    INVALID_FIELDS = "invalid-fields", 422, "Invalid fields", "Correct the fields in `errors`."
    INVALID_FILES = "invalid-files", 422, "Missing or additional files", "Send the files as `detail` describes."
    UNREADABLE_IMAGE = "unreadable-image", 422, "Unreadable image", "Export or copy the image again."
    IMAGE_TOO_LARGE = "image-too-large", 422, "Image too large", "Scale the image down."
    WRONG_STUDY = "wrong-study", 422, "Instance of another study", "Send the instance to the address of its study."
    NO_REPORT = "no-report", 422, "Image without report", "Send a DICOM image, or accept `application/fhir+json`."
    RATE_LIMITED = "rate-limited", 429, "Rate limit exceeded", "Repeat the request after `Retry-After` seconds."
    HEAD_TOO_LARGE = "head-too-large", 431, "Head of the request too large", "Send fewer or shorter headers."
    CLIENT_CLOSED = "client-closed", 499, "Client closed the request", "Only in the server's log and metrics."
    INTERNAL_ERROR = "internal-error", 500, "Internal server error", "Report it with the server's log."
    BUSY = "busy", 503, "Server busy", "Repeat the request after `Retry-After` seconds."
    STOPPING = "stopping", 503, "Server stopping", "Repeat the request after `Retry-After` seconds."
    NOT_READY = "not-ready", 503, "Model not ready", "Repeat the request after `Retry-After` seconds."

    def __init__(self, slug: str, status: int, title: str, remedy: str) -> None:
        self.slug = slug
        self.status = status
        self.title = title
        self.remedy = remedy

    @property
    def uri(self) -> str:
        """The value of `Problem.type`: an address in this documentation."""
        return f"{_PAGE}#{self.slug}"

    @classmethod
    def of(cls, uri: str) -> "ProblemType | None":
        """Return the type with a URI; None for one of another server or version."""
        return next((known for known in cls if known.uri == uri), None)

    @classmethod
    def of_status(cls, status: int) -> "ProblemType":
        """Return the general type of an HTTP status; an internal error for one that has no type."""
        return next((known for known in cls if known.status == status), cls.INTERNAL_ERROR)


class FieldError(FrozenModel):
    """One invalid field of a request."""

    pointer: str = Field(
        description="JSON pointer to the field among all fields of the query and the form.", examples=["#/age"]
    )
    detail: str = Field(description="The cause.", examples=["input should be less than or equal to 120"])


class Problem(FrozenModel):
    """Why a request, or one image of several, has no result (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": ProblemType.UNREADABLE_IMAGE.uri,
                    "title": ProblemType.UNREADABLE_IMAGE.title,
                    "status": ProblemType.UNREADABLE_IMAGE.status,
                    "detail": "the image is truncated; copy or export it again",
                    "request_id": "8d0f3c5e",
                    "errors": [],
                }
            ]
        },
    )

    type: str = Field(
        default="about:blank",
        description="URI of the problem's type, see `lesionlab.results.ProblemType`; a program compares it.",
    )
    title: str = Field(description="The type in words.")
    status: int
    detail: str = Field(description="The cause and the remedy.")
    request_id: str = Field(description="Identifier of the request in the server's log.")
    errors: tuple[FieldError, ...] = Field(default=(), description="The invalid fields; empty for other problems.")

    @property
    def kind(self) -> ProblemType | None:
        """The type; None for one that this version does not have."""
        return ProblemType.of(self.type)

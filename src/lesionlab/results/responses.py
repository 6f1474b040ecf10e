"""Response bodies of the REST API."""

from pydantic import ConfigDict, Field

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.base_models import FrozenModel
from lesionlab.bundle import BundleInfo
from lesionlab.results.explanation import Explanation, LesionMeasures, NearestImage, Outline
from lesionlab.results.prediction import Prediction


class ModelName(FrozenModel):
    """The model behind a response."""

    name: str = Field(examples=["efficientnet-lite0"])
    identity: str = Field(description="The name and the head of the graph's hash.")
    graph_sha256: str

    @classmethod
    def of(cls, info: BundleInfo) -> "ModelName":
        """Return the name of a model."""
        return cls(name=info.name, identity=info.identity, graph_sha256=info.graph_sha256)


class Problem(FrozenModel):
    """Why a request, or one image of several, has no result (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "detail": "the image is truncated; copy or export it again",
                    "request_id": "8d0f3c5e",
                }
            ]
        },
    )

    type: str = Field(default="about:blank", description="Always about:blank: the status identifies the problem.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="The cause and the remedy.")
    request_id: str = Field(description="Identifier of the request in the server's log.")


class Response(FrozenModel):
    """What every response holds."""

    notice: str = RESEARCH_ONLY
    version: str = Field(default=__version__, description="Version of lesionlab.")
    request_id: str
    model: ModelName


class PredictResponse(Response):
    """The prediction for one image."""

    result: Prediction


class ExplainResponse(PredictResponse):
    """The prediction for one image with its explanation."""

    explanation: Explanation | None = Field(description="Class activation map; null for an abstention.")
    nearest_images: tuple[NearestImage, ...] | None = Field(
        description="The nearest training images, one of each lesion, the most similar first. "
        "Null for a model without an index of its training images."
    )
    lesion: LesionMeasures | None = Field(description="Measures of the lesion; null where none was found.")
    outline: Outline | None = Field(
        description="Outline of the lesion: a closed polygon of points x, y as shares of the image's sides; "
        "null where no lesion was found."
    )


class BatchItem(FrozenModel):
    """One image of a batch: a result, or the problem with it."""

    index: int = Field(description="Position in the request, from 0.")
    result: Prediction | None = None
    problem: Problem | None = None


class BatchResponse(Response):
    """The predictions for several images, in the order of the request."""

    results: tuple[BatchItem, ...]

"""Response bodies of the REST API."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.base_models import FrozenModel
from lesionlab.bundle import BundleInfo
from lesionlab.results.explanation import Explanation, LesionMeasures, NearestImage, Outline
from lesionlab.results.prediction import Prediction
from lesionlab.results.problem import Problem


class ModelName(FrozenModel):
    """The model behind a response."""

    name: str = Field(examples=["efficientnet-lite0"])
    identity: str = Field(description="The name and the head of the graph's hash.")
    graph_sha256: str

    @classmethod
    def of(cls, info: BundleInfo) -> "ModelName":
        """Return the name of a model."""
        return cls(name=info.name, identity=info.identity, graph_sha256=info.graph_sha256)


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


class BatchLine(Response):
    """One line of a streamed batch, complete by itself: an image with its result, or the problem with it."""

    index: int = Field(description="Position in the request, from 0; lines come in the order of completion.")
    result: Prediction | None = None
    problem: Problem | None = None

    @classmethod
    def of(cls, item: BatchItem, request_id: str, model: ModelName) -> "BatchLine":
        """Return the line of an item."""
        return cls(request_id=request_id, model=model, index=item.index, result=item.result, problem=item.problem)

    @property
    def item(self) -> BatchItem:
        """The image without the description of the response."""
        return BatchItem(index=self.index, result=self.result, problem=self.problem)


class BatchResponse(Response):
    """The predictions for several images, in the order of the request."""

    results: tuple[BatchItem, ...]


class Job(Response):
    """A job of many images, which is kept in memory only."""

    id: str
    status: Literal["running", "completed", "cancelled"]
    images: int = Field(description="Number of images of the whole job.")
    received: int = Field(description="Images that were sent so far; the job is completed once all have a result.")
    done: int = Field(description="Images with a result or a problem.")
    failed: int = Field(description="Images with a problem.")
    created: datetime
    expires: datetime = Field(description="The time at which the job and its results are deleted.")

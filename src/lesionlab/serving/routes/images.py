"""The routes for one image."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import Field, ValidationError

from lesionlab.bundle import Patient
from lesionlab.results import ExplainResponse, ModelName, PredictResponse
from lesionlab.serving.problem import ProblemError, request_id_of, validation_detail
from lesionlab.serving.routes.openapi import IMAGE_PROBLEMS, one_image, problems
from lesionlab.serving.service import Service, while_connected
from lesionlab.serving.upload import FORM_BYTES, checked_size, received

Fields = TypeVar("Fields", bound=Patient)


class ExplainParameters(Patient):
    """Parameters of `/v1/explain` beside the image."""

    diagnosis: Annotated[
        str | None, Field(max_length=32, description="Code of the class to explain; default: the most probable one.")
    ] = None


def image_routes(service: Service) -> APIRouter:
    """Return the routes for one image."""
    routes = APIRouter(prefix="/v1", tags=["images"])
    settings, engine, info = service.settings, service.engine, service.predictor.info
    model = ModelName.of(info)
    codes = frozenset(info.classes)
    limit = settings.max_bytes + FORM_BYTES

    @routes.post("/predict", responses=IMAGE_PROBLEMS, openapi_extra=one_image(Patient))
    async def predict(request: Request, query: Annotated[Patient, Query()]) -> PredictResponse:
        """Classify one image: a form with the field `file`, or the file as the body."""
        async with received(request, service, "file", max_files=1, limit=limit) as upload:
            patient = _with_fields(query, upload.fields)
            result = await while_connected(
                request, engine.predict(checked_size(upload.files[0], settings.max_bytes), patient)
            )
        return PredictResponse(request_id=request_id_of(request.scope), model=model, result=result)

    @routes.post("/explain", responses=IMAGE_PROBLEMS | problems(409), openapi_extra=one_image(ExplainParameters))
    async def explain(request: Request, query: Annotated[ExplainParameters, Query()]) -> ExplainResponse:
        """Classify and explain one image: activation map, nearest training images, measures of the lesion."""
        if not service.predictor.explainable:
            raise ProblemError(409, "this model has no class activation map")
        async with received(request, service, "file", max_files=1, limit=limit) as upload:
            parameters = _with_fields(query, upload.fields)
            if parameters.diagnosis is not None and parameters.diagnosis not in codes:
                raise ProblemError(422, f"diagnosis: input should be one of {', '.join(info.classes)}")
            work = engine.explain(checked_size(upload.files[0], settings.max_bytes), parameters.diagnosis, parameters)
            explained = await while_connected(request, work)
        return ExplainResponse(
            request_id=request_id_of(request.scope),
            model=model,
            result=explained.prediction,
            explanation=explained.explanation,
            nearest_images=explained.nearest_images,
            lesion=explained.lesion,
            outline=explained.outline,
        )

    return routes


def _with_fields(query: Fields, fields: dict[str, str]) -> Fields:
    if not fields:
        return query
    try:
        return type(query).model_validate(query.model_dump(exclude_none=True) | fields)
    except ValidationError as error:
        raise ProblemError(422, validation_detail(error)) from error

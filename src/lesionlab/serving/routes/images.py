"""Routes that take one image."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError

from lesionlab.bundle import Patient
from lesionlab.results import ExplainResponse, ModelName, PredictResponse
from lesionlab.serving.patient import Question
from lesionlab.serving.problem import ProblemError, request_id_of, validation_detail
from lesionlab.serving.routes.described import IMAGE_PROBLEMS, one_image, problems
from lesionlab.serving.service import Service, while_connected
from lesionlab.serving.upload import FORM_BYTES, declared_size, read_upload, small_enough

Fields = TypeVar("Fields", bound=Patient)


def image_routes(service: Service) -> APIRouter:
    """Return the routes that take one image."""
    routes = APIRouter(prefix="/v1", tags=["images"])
    settings, engine, info = service.settings, service.engine, service.predictor.info
    model = ModelName.of(info)
    codes = frozenset(info.classes)
    limit = settings.max_bytes + FORM_BYTES

    @routes.post("/predict", responses=IMAGE_PROBLEMS, openapi_extra=one_image(Patient))
    async def predict(request: Request, known: Annotated[Patient, Query()]) -> PredictResponse:
        """Classify one image: a form with the field `file`, or the file as the body."""
        with service.places.taken(1, declared_size(request, limit)):
            upload = await read_upload(request, "file", max_files=1, limit=limit)
            patient = _with_fields(known, upload.fields)
            result = await while_connected(
                request, engine.predict(small_enough(upload.files[0], settings.max_bytes), patient)
            )
        return PredictResponse(request_id=request_id_of(request.scope), model=model, result=result)

    @routes.post("/explain", responses=IMAGE_PROBLEMS | problems(409), openapi_extra=one_image(Question))
    async def explain(request: Request, known: Annotated[Question, Query()]) -> ExplainResponse:
        """Classify and explain one image: activation map, nearest training images, measures of the lesion."""
        if not service.predictor.explainable:
            raise ProblemError(409, "this model has no class activation map")
        with service.places.taken(1, declared_size(request, limit)):
            upload = await read_upload(request, "file", max_files=1, limit=limit)
            asked = _with_fields(known, upload.fields)
            if asked.diagnosis is not None and asked.diagnosis not in codes:
                raise ProblemError(422, f"diagnosis: it should be one of {', '.join(info.classes)}")
            answer = engine.explain(small_enough(upload.files[0], settings.max_bytes), asked.diagnosis, asked)
            explained = await while_connected(request, answer)
        return ExplainResponse(
            request_id=request_id_of(request.scope),
            model=model,
            result=explained.prediction,
            explanation=explained.explanation,
            nearest_images=explained.nearest_images,
            lesion=explained.lesion,
        )

    return routes


def _with_fields(known: Fields, fields: dict[str, str]) -> Fields:
    if not fields:
        return known
    try:
        return type(known).model_validate(known.model_dump(exclude_none=True) | fields)
    except ValidationError as error:
        raise ProblemError(422, validation_detail(error)) from error

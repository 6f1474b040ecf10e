"""Judging one image."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError

from lesionlab.bundle import Patient
from lesionlab.serving.answers import (
    Answer,
    ExplainedAnswer,
    bundle_name,
    explained_of,
    lesion_of,
    result_of,
    similar_of,
)
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
    bundle = bundle_name(info)
    codes = frozenset(info.classes)
    limit = settings.max_bytes + FORM_BYTES

    @routes.post("/predict", responses=IMAGE_PROBLEMS, openapi_extra=one_image(Patient))
    async def predict(request: Request, known: Annotated[Patient, Query()]) -> Answer:
        """Judge one image: a form with the field `file`, or the file as the body."""
        with service.places.taken(1, declared_size(request, limit)):
            upload = await read_upload(request, "file", max_files=1, limit=limit)
            patient = _with_fields(known, upload.fields)
            prediction = await while_connected(
                request, engine.predict(small_enough(upload.files[0], settings.max_bytes), patient)
            )
        result = result_of(prediction, info)
        return Answer(request_id=request_id_of(request.scope), bundle=bundle, result=result)

    @routes.post("/explain", responses=IMAGE_PROBLEMS | problems(409), openapi_extra=one_image(Question))
    async def explain(request: Request, known: Annotated[Question, Query()]) -> ExplainedAnswer:
        """Judge one image, show what speaks for a class, name training images like it, and measure the lesion."""
        if not service.predictor.explains:
            raise ProblemError(409, "this model cannot tell where it looked")
        with service.places.taken(1, declared_size(request, limit)):
            upload = await read_upload(request, "file", max_files=1, limit=limit)
            asked = _with_fields(known, upload.fields)
            if asked.diagnosis is not None and asked.diagnosis not in codes:
                raise ProblemError(422, f"diagnosis: it should be one of {', '.join(info.classes)}")
            answer = engine.explain(small_enough(upload.files[0], settings.max_bytes), asked.diagnosis, asked)
            explained = await while_connected(request, answer)
        return ExplainedAnswer(
            request_id=request_id_of(request.scope),
            bundle=bundle,
            result=result_of(explained.prediction, info),
            explanation=explained_of(explained.explanation),
            similar=similar_of(explained.similar),
            lesion=lesion_of(explained.lesion),
        )

    return routes


def _with_fields(known: Fields, fields: dict[str, str]) -> Fields:
    if not fields:
        return known
    try:
        return type(known).model_validate(known.model_dump(exclude_none=True) | fields)
    except ValidationError as error:
        raise ProblemError(422, validation_detail(error)) from error

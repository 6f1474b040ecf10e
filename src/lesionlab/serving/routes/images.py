"""The routes for one image."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from lesionlab.bundle import Patient
from lesionlab.results import ExplainResponse, ModelName, PredictResponse, ProblemType
from lesionlab.serving.decoding import checked_size
from lesionlab.serving.media import DICOM, FHIR, JSON, accepted
from lesionlab.serving.parameters import ExplainParameters, PredictParameters
from lesionlab.serving.problem import (
    ProblemError,
    field_error,
    invalid_fields,
    request_id_of,
    validation_problem,
)
from lesionlab.serving.reports import report
from lesionlab.serving.routes.openapi import IMAGE_PROBLEMS, KEY, one_image, problems, representations
from lesionlab.serving.service import Service, while_connected
from lesionlab.serving.upload import FORM_BYTES, received

Fields = TypeVar("Fields", bound=Patient)


def image_routes(service: Service) -> APIRouter:
    """Return the routes for one image."""
    routes = APIRouter(prefix="/v1", tags=["images"], dependencies=KEY)
    settings, engine, info = service.settings, service.engine, service.predictor.info
    model = ModelName.of(info)
    codes = frozenset(info.classes)
    limit = settings.max_bytes + FORM_BYTES

    @routes.post(
        "/predict",
        response_model=PredictResponse,
        responses=problems(*IMAGE_PROBLEMS, ProblemType.NOT_ACCEPTABLE, ProblemType.NO_REPORT)
        | representations(FHIR, DICOM),
        openapi_extra=one_image(PredictParameters),
    )
    async def predict(request: Request, query: Annotated[PredictParameters, Query()]) -> Response:
        """Classify one image: a form with the field `file`, or the file as the body.

        With `Accept: application/fhir+json` the response is a FHIR DiagnosticReport, with `application/dicom` a DICOM
        Structured Report on a DICOM image.
        """
        media_type = accepted(request, JSON, FHIR, DICOM)
        async with received(request, service, "file", max_files=1, limit=limit) as upload:
            parameters = with_fields(query, upload.fields)
            setting = parameters.setting(service.predictor.pipeline.setting)
            data = checked_size(upload.files[0], settings.max_bytes)
            result = await while_connected(request, engine.predict(data, parameters, setting))
            if media_type != JSON:
                content = await report(media_type, data, result, model, parameters.site)
                return Response(content, media_type=media_type)
        whole = PredictResponse(request_id=request_id_of(request.scope), model=model, result=result)
        return Response(whole.model_dump_json(), media_type=JSON)

    @routes.post(
        "/explain",
        responses=problems(*IMAGE_PROBLEMS, ProblemType.NOT_EXPLAINABLE),
        openapi_extra=one_image(ExplainParameters),
    )
    async def explain(request: Request, query: Annotated[ExplainParameters, Query()]) -> ExplainResponse:
        """Classify and explain one image: activation map, nearest training images, measures of the lesion."""
        if not service.predictor.explainable:
            raise ProblemError(ProblemType.NOT_EXPLAINABLE, "this model has no class activation map")
        async with received(request, service, "file", max_files=1, limit=limit) as upload:
            parameters = with_fields(query, upload.fields)
            if parameters.diagnosis is not None and parameters.diagnosis not in codes:
                raise invalid_fields([field_error("diagnosis", f"input should be one of {', '.join(info.classes)}")])
            setting = parameters.setting(service.predictor.pipeline.setting)
            data = checked_size(upload.files[0], settings.max_bytes)
            work = engine.explain(data, parameters.diagnosis, parameters, setting)
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


def with_fields(query: Fields, fields: dict[str, str]) -> Fields:
    """Return the parameters of a query with those of a form.

    Raises:
        ProblemError: 422, a field is unknown or invalid.
    """
    if not fields:
        return query
    try:
        return type(query).model_validate(query.model_dump(exclude_none=True) | fields)
    except ValidationError as error:
        raise validation_problem(error, type(query).model_fields) from error

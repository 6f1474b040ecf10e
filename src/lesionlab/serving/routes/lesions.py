"""The route for one lesion with several images."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from lesionlab.results import ModelName, PredictResponse, ProblemType
from lesionlab.serving.decoding import checked_size
from lesionlab.serving.parameters import PredictParameters
from lesionlab.serving.problem import request_id_of
from lesionlab.serving.routes.images import with_fields
from lesionlab.serving.routes.openapi import IMAGE_PROBLEMS, KEY, images_of_lesion, problems
from lesionlab.serving.service import Service, while_connected
from lesionlab.serving.upload import FORM_BYTES, received


def lesion_routes(service: Service) -> APIRouter:
    """Return the route for one lesion."""
    routes = APIRouter(prefix="/v1", tags=["images"], dependencies=KEY)
    settings, engine = service.settings, service.engine
    model = ModelName.of(service.predictor.info)
    limit = settings.max_batch_bytes + FORM_BYTES

    @routes.post(
        "/predict/lesion",
        responses=problems(*IMAGE_PROBLEMS, ProblemType.WRONG_IMAGE_TYPE),
        openapi_extra=images_of_lesion(settings.max_batch),
    )
    async def predict_lesion(request: Request, query: Annotated[PredictParameters, Query()]) -> PredictResponse:
        """Classify one lesion: a form with repeated fields `dermoscopic` and `clinical`. The result has the images."""
        request_id = request_id_of(request.scope)
        limits = {"max_files": settings.max_batch, "limit": limit}
        async with received(request, service, "dermoscopic", second="clinical", **limits) as upload:
            parameters = with_fields(query, upload.fields)
            lesion_settings = parameters.setting(service.predictor.lesions.settings)
            dermoscopic, clinical = (
                [checked_size(data, settings.max_bytes) for data in files] for files in (upload.files, upload.second)
            )
            work = engine.predict_lesion(dermoscopic, clinical, parameters, lesion_settings, group=request_id)
            result = await while_connected(request, work)
        return PredictResponse(request_id=request_id, model=model, result=result)

    return routes

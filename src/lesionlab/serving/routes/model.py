"""The routes of the model card and the evaluation."""

from fastapi import Request
from starlette.responses import Response

from lesionlab.bundle import EvaluationSummary
from lesionlab.images.formats import accepted_formats
from lesionlab.results import ModelCard, ProblemType
from lesionlab.results.model_card import Limits
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.routes.openapi import API_PROBLEMS, KEY, problems
from lesionlab.serving.routes.router import Router, current
from lesionlab.serving.service import Service


def model_routes(service: Service) -> Router:
    """Return the routes of the model card and the evaluation."""
    routes = Router(prefix="/v1/model", tags=["model"], dependencies=KEY)
    predictor, settings = service.predictor, service.settings
    card = predictor.card(
        Limits(
            max_bytes=settings.max_bytes,
            max_batch_bytes=settings.max_batch_bytes,
            max_pixels=settings.max_pixels,
            max_batch=settings.max_batch,
            formats=accepted_formats(),
        )
    )

    @routes.get("", response_model=ModelCard, responses=problems(*API_PROBLEMS))
    async def model(request: Request) -> Response:
        """Return the model card and the limits of the server."""
        return current(request, card.model_dump_json().encode())

    @routes.get(
        "/evaluation",
        response_model=EvaluationSummary,
        responses=problems(*API_PROBLEMS, ProblemType.NO_EVALUATION),
    )
    async def evaluation(request: Request) -> Response:
        """Return the evaluation of the model on its test set."""
        if predictor.bundle.evaluation is None:
            raise ProblemError(ProblemType.NO_EVALUATION, "this model has no evaluation")
        return current(request, predictor.bundle.evaluation.model_dump_json().encode())

    return routes

"""The routes of the model card and the evaluation."""

from fastapi import APIRouter

from lesionlab.bundle import EvaluationSummary
from lesionlab.images.formats import accepted_formats
from lesionlab.results import ModelCard
from lesionlab.results.model_card import Limits
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.routes.openapi import problems
from lesionlab.serving.service import Service


def model_routes(service: Service) -> APIRouter:
    """Return the routes of the model card and the evaluation."""
    routes = APIRouter(prefix="/v1/model", tags=["model"])
    predictor, settings = service.predictor, service.settings
    card = ModelCard.of(
        predictor.info,
        risk_rule=predictor.risk_rule,
        explainable=predictor.explainable,
        abstains=predictor.abstains,
        limits=Limits(
            max_bytes=settings.max_bytes,
            max_batch_bytes=settings.max_batch_bytes,
            max_pixels=settings.max_pixels,
            max_batch=settings.max_batch,
            formats=accepted_formats(),
        ),
    )

    @routes.get("", responses=problems(401, 421, 429))
    async def model() -> ModelCard:
        """Return the model card and the limits of the server."""
        return card

    @routes.get("/evaluation", responses=problems(401, 404, 421, 429))
    async def evaluation() -> EvaluationSummary:
        """Return the evaluation of the model on its test set."""
        if predictor.bundle.evaluation is None:
            raise ProblemError(404, "this model has no evaluation")
        return predictor.bundle.evaluation

    return routes

"""The routes of the model card and the evaluation."""

from fastapi import APIRouter

from lesionlab.bundle import EvaluationSummary
from lesionlab.results import ModelCard
from lesionlab.serving.model_card import model_card
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.routes.openapi import problems
from lesionlab.serving.service import Service


def model_routes(service: Service) -> APIRouter:
    """Return the routes of the model card and the evaluation."""
    routes = APIRouter(prefix="/v1/model", tags=["model"])
    card = model_card(service.predictor, service.settings)

    @routes.get("", responses=problems(401, 421, 429))
    async def model() -> ModelCard:
        """Return the model card and the limits of the server."""
        return card

    @routes.get("/evaluation", responses=problems(401, 404, 421, 429))
    async def evaluation() -> EvaluationSummary:
        """Return the evaluation of the model on its test set."""
        if service.predictor.bundle.evaluation is None:
            raise ProblemError(404, "this model has no evaluation")
        return service.predictor.bundle.evaluation

    return routes

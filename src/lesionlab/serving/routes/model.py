"""Telling of the model."""

from fastapi import APIRouter

from lesionlab.bundle import Evaluation
from lesionlab.serving.model_card import ModelCard, model_card
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.routes.described import problems
from lesionlab.serving.service import Service


def model_routes(service: Service) -> APIRouter:
    """Return the routes that tell of the model."""
    routes = APIRouter(prefix="/v1/model", tags=["model"])
    card = model_card(service.predictor, service.settings)

    @routes.get("", responses=problems(401, 421, 429))
    async def model() -> ModelCard:
        """Tell what the model is, what its figures are and what the server takes."""
        return card

    @routes.get("/evaluation", responses=problems(401, 404, 421, 429))
    async def evaluation() -> Evaluation:
        """Tell how good the model is, on which images, and for whom."""
        if service.predictor.bundle.evaluation is None:
            raise ProblemError(404, "this model carries no evaluation")
        return service.predictor.bundle.evaluation

    return routes

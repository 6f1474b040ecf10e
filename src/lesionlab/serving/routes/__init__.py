"""The routes of the API."""

from lesionlab.serving.routes.batch import batch_routes
from lesionlab.serving.routes.description import description_routes
from lesionlab.serving.routes.health import health_routes
from lesionlab.serving.routes.images import image_routes
from lesionlab.serving.routes.jobs import job_routes
from lesionlab.serving.routes.lesions import lesion_routes
from lesionlab.serving.routes.model import model_routes
from lesionlab.serving.routes.page import page_routes, redirect_to_page

__all__ = [
    "batch_routes",
    "description_routes",
    "health_routes",
    "image_routes",
    "job_routes",
    "lesion_routes",
    "model_routes",
    "page_routes",
    "redirect_to_page",
]

"""A typed client for the server of `lesionlab serve`."""

from lesionlab.client.async_client import AsyncClient
from lesionlab.client.client import Client
from lesionlab.client.errors import ServerProblemError
from lesionlab.results import BatchItem, ExplainResponse, Job, ModelCard, PredictResponse, ProblemType

__all__ = [
    "AsyncClient",
    "BatchItem",
    "Client",
    "ExplainResponse",
    "Job",
    "ModelCard",
    "PredictResponse",
    "ProblemType",
    "ServerProblemError",
]

"""A typed client for the server of `lesionlab serve`."""

from lesionlab.client.client import Client
from lesionlab.client.errors import ServerProblemError
from lesionlab.results import BatchItem, ExplainResponse, ModelCard, PredictResponse

__all__ = ["BatchItem", "Client", "ExplainResponse", "ModelCard", "PredictResponse", "ServerProblemError"]

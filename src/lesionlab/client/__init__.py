"""A client for `lesionlab serve`: small, typed, and without the rest of the package behind it."""

from lesionlab.client.answers import (
    Answer,
    BatchItem,
    ExplainedAnswer,
    Explanation,
    Lesion,
    ModelCard,
    Result,
    SimilarCase,
)
from lesionlab.client.client import Client
from lesionlab.client.errors import ServerProblemError

__all__ = [
    "Answer",
    "BatchItem",
    "Client",
    "ExplainedAnswer",
    "Explanation",
    "Lesion",
    "ModelCard",
    "Result",
    "ServerProblemError",
    "SimilarCase",
]

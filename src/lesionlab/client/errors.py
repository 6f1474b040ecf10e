"""Errors of the client."""

from lesionlab.errors import LesionlabError
from lesionlab.results import FieldError, Problem, ProblemType


class ServerProblemError(LesionlabError):
    """The server rejected a request, or could not be reached.

    Attributes:
        status: The HTTP status; None without a response.
        title: The type of the problem in words.
        detail: The cause and the remedy.
        problem: The problem document; None without one.
    """

    def __init__(self, status: int | None, title: str, detail: str, problem: Problem | None = None) -> None:
        super().__init__(f"{title}: {detail}" if status is None else f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.problem = problem

    @classmethod
    def of(cls, problem: Problem) -> "ServerProblemError":
        """Return the error for a problem document."""
        return cls(problem.status, problem.title, problem.detail, problem)

    @property
    def kind(self) -> ProblemType | None:
        """The type of the problem; None without a problem document, and for a type of a newer server."""
        return self.problem.kind if self.problem else None

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """The invalid fields, for `ProblemType.INVALID_FIELDS`."""
        return self.problem.errors if self.problem else ()

    @property
    def request_id(self) -> str:
        """Identifier of the request in the server's log; empty without a problem document."""
        return self.problem.request_id if self.problem else ""

"""Errors of the client."""

from lesionlab.errors import LesionlabError


class ServerProblemError(LesionlabError):
    """The server rejected a request, or could not be reached.

    Attributes:
        status: The HTTP status; None without a response.
        title: The status in words.
        detail: The cause and the remedy.
        request_id: Identifier of the request in the server's log; empty without a response.
    """

    def __init__(self, status: int | None, title: str, detail: str, request_id: str = "") -> None:
        super().__init__(f"{title}: {detail}" if status is None else f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.request_id = request_id

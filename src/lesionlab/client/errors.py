"""What goes wrong between a client and its server."""


class ServerProblemError(Exception):
    """The server has no answer, or there is no server.

    Attributes:
        status: The HTTP status; None where no answer came at all.
        title: The status in words.
        detail: What was wrong, and what to do.
        request_id: By which the server's log knows the request; empty where no answer came.
    """

    def __init__(self, status: int | None, title: str, detail: str, request_id: str = "") -> None:
        super().__init__(f"{title}: {detail}" if status is None else f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.request_id = request_id

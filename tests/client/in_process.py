"""A transport to an application in this process."""

import asyncio

import httpx2
from starlette.testclient import TestClient


class InProcess(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A transport for the client and the asynchronous client."""

    def __init__(self, inner: TestClient) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        response = self._inner.request(
            request.method, str(request.url), content=request.content, headers=request.headers
        )
        # The inner client has decompressed the content.
        headers = [(name, value) for name, value in response.headers.items() if name != "content-encoding"]
        return httpx2.Response(response.status_code, headers=headers, content=response.content)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return await asyncio.to_thread(self.handle_request, request)

"""Requests with the upstream's token, below everything that looks at requests: it is in none that anybody else sees."""

from http import HTTPStatus

import httpx2 as httpx

from headgate.proxy.oauth.bearer import Bearer


class BearerTransport(httpx.AsyncBaseTransport):
    """Adds the token to requests to one origin; a request that it is not good enough for is sent again with another."""

    def __init__(self, inner: httpx.AsyncBaseTransport, bearer: Bearer, url: str) -> None:
        """`url` is the upstream's."""
        self._inner = inner
        self._bearer = bearer
        self._origin = _origin(httpx.URL(url))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, twice at most; raises what `Bearer` does."""
        if _origin(request.url) != self._origin:
            return await self._inner.handle_async_request(request)
        token = await self._bearer.token()
        response = await self._inner.handle_async_request(_with_token(request, token))
        if response.status_code != HTTPStatus.UNAUTHORIZED or not self._bearer.is_asked(response.headers):
            return response
        await response.aclose()
        token = await self._bearer.another(token, response.headers)
        response = await self._inner.handle_async_request(_with_token(request, token))
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            await response.aclose()
            raise self._bearer.rejected()
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def _with_token(request: httpx.Request, token: str | None) -> httpx.Request:
    if token is None:
        return request
    headers = request.headers.copy()
    headers["authorization"] = f"Bearer {token}"
    return httpx.Request(
        request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
    )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)

"""What the relay answers, always JSON; a refusal has a `code` for programs and a `detail` for people.

Rules for whoever changes this: no answer and no log repeats a token or a query, which may hold one.
"""

import asyncio
from typing import Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

LONGEST_WAIT: Final = 60
"""Seconds for which a question is held at the most; answers say it, so that the agent knows that it may ask for it."""
_READ_WITHIN_S: Final = 60.0


def refusal(status: int, code: str, detail: str, retry_after: int = 0) -> web.Response:
    """A refusal; `retry_after`: seconds after which the same may be taken."""
    response = web.Response(
        status=status,
        body=orjson.dumps({"code": code, "detail": detail}),
        content_type="application/json",
    )
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say in JSON as well that there is no such path, or no such method there."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        detail = f"{error.reason}: post to /in/CHANNEL, and ask /out/CHANNEL for what came"
        return refusal(error.status, error.reason.lower().replace(" ", "_"), detail)


async def marked(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the headers of the relay."""
    response.headers["Server"] = "edge-relay"
    if request.path.startswith("/out/"):
        response.headers["Relay-Wait"] = str(LONGEST_WAIT)


async def sent(request: web.Request, body: bytes) -> web.StreamResponse:
    """Send a large answer; return when it is on its way, or was not read in time: until then it holds memory."""
    response = web.StreamResponse()
    response.content_type = "application/json"
    response.content_length = len(body)
    try:
        async with asyncio.timeout(_READ_WITHIN_S):
            await response.prepare(request)
            await response.write(body)
            await response.write_eof()
    except (TimeoutError, ConnectionError):  # it comes again: what it brought is not acknowledged
        if request.transport is not None:
            request.transport.abort()
    return response

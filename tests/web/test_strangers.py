"""What somebody sends who means harm, or whose program is broken, over real sockets to the page's port."""

import json

import pytest
from rigs.site import ANNA, site

HOST = b"Host: localhost\r\n"
RIGHT = f"Authorization: Bearer {ANNA}\r\n".encode()
ORDER = b"POST /api/reload HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n" + HOST


@pytest.mark.parametrize(("token", "status"), [(b"", 401), (RIGHT, 400)])
async def test_a_body_that_is_not_packed_as_it_says_is_refused(tmp_path, free_port, caplog, token, status):
    """In words to whoever may order; nobody fills the log by it."""
    async with site(tmp_path, free_port()) as here:
        answer = await here.raw(ORDER + token + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")
    head, _, body = answer.partition(b"\r\n\r\n")

    assert int(head.split()[1]) == status
    assert list(json.loads(body)) == ["error"]
    assert "Traceback" not in caplog.text
    assert "Unhandled" not in caplog.text


async def test_a_question_does_not_wait_for_a_body(tmp_path, free_port):
    """It has none, so one that never comes holds nothing: who may only look cannot keep connections for ever."""
    async with site(tmp_path, free_port()) as here:
        head = b"GET /api/status HTTP/1.1\r\nConnection: close\r\nContent-Length: 9\r\n" + HOST
        assert b" 200 " in (await here.raw(head + b"\r\n1"))[:20]

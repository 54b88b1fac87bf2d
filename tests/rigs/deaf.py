"""An address that swallows whoever knocks."""

import contextlib
import socket


@contextlib.contextmanager
def deaf_port():
    """A port at which nothing comes through, as behind a firewall: its queue is full, Linux drops the rest."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]

"""The HTTP server, which lets the app wind up from the moment it is told to stop.

Entry point: `Server`.
"""

import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.draining import GRACE_S, Draining


class Server(uvicorn.Server):
    """Gives running requests and claimed jobs the same grace period; a second Ctrl-C ends it."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, timeout_graceful_shutdown=GRACE_S, server_header=False))
        self._draining: Draining = app.state.draining

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take on nothing new, wait for what runs, and end."""
        self._draining.begin()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Hear a signal."""
        super().handle_exit(sig, frame)
        if self.force_exit:
            self._draining.cut_short()

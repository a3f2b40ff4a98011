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
        # The app logs its requests itself; what uvicorn says goes where all else does.
        super().__init__(
            uvicorn.Config(
                app,
                timeout_graceful_shutdown=GRACE_S,
                log_config=None,
                access_log=False,
                server_header=False,
            )
        )
        self._draining: Draining = app.state.draining

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take on nothing new, wait for what runs, and end."""
        self._draining.begin()
        await super().shutdown(sockets)
        if self.force_exit:
            await self._let_go()

    async def _let_go(self) -> None:
        """End what uvicorn leaves behind at a second Ctrl-C: claimed jobs are given back all the same."""
        for task in self.server_state.tasks:
            task.cancel()
        # Where the app has wound up already it returns at once.
        await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Hear a signal."""
        super().handle_exit(sig, frame)
        if self.force_exit:
            self._draining.cut_short()

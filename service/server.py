"""The HTTP server: what connections may take, and an end in order.

Entry point: `Server`.
"""

import asyncio
import math
import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.connections import limited_protocol
from service.draining import Draining
from service.settings import Settings

_LET_GO_S = 2
"""How long what the grace period was too short for has to say so to its client."""


class Server(uvicorn.Server):
    """Gives running requests and claimed jobs the same grace period, and ends with exit code 0.

    At SIGTERM the replica is unready at once, and serves what still comes for `drain_delay_s`: gateways hear of it
    only after a while, and what is refused meanwhile is somebody's failed request. Then it listens no more. Ctrl-C
    leaves the delay out; a second one ends the waiting.
    """

    def __init__(self, app: FastAPI) -> None:
        settings: Settings = app.state.settings
        # The app logs its requests itself; what uvicorn says goes where all else does.
        super().__init__(
            uvicorn.Config(
                app,
                http=limited_protocol(settings),
                log_config=None,
                access_log=False,
                server_header=False,
            )
        )
        self._draining: Draining = app.state.draining
        self._drain_delay_s = settings.drain_delay_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._was_told = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app and listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take on nothing new, wait for what runs, and end."""
        self._draining.leave()
        left_s = self._draining.left_s
        asyncio.get_running_loop().call_later(left_s, self._draining.end)
        self.config.timeout_graceful_shutdown = math.ceil(left_s) + _LET_GO_S
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
        """Hear a signal; unlike uvicorn's own, it is not raised again once all is over."""
        if self._was_told:
            self.force_exit |= self.should_exit and sig == signal.SIGINT
            self.should_exit = True
            if self.force_exit:
                self._draining.cut_short()
        elif sig == signal.SIGTERM and self._loop is not None:
            self._loop.call_soon_threadsafe(self._drain, self._loop)
        else:
            self.should_exit = True
        self._was_told = True

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        self._draining.begin()
        loop.call_later(self._drain_delay_s, self._leave)

    def _leave(self) -> None:
        self.should_exit = True

"""A line to a server on loopback that can hold back what is sent on it, and deliver it when nobody waits any more."""

import contextlib
import socket
from threading import Event, Thread


class HeldLine:
    """Listens on a port of its own, and carries what is sent there to the server and back."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._held = self._open = Event()
        self._open.set()
        self._threads = [self._started(self._accept)]

    def hold(self) -> None:
        """Hold back what is sent from now on."""
        self._open.clear()

    def pass_others(self) -> None:
        """Let new connections through; what the others send stays on the way."""
        self._held, self._open = self._open, Event()
        self._open.set()

    def deliver(self) -> None:
        """Let go what was held, though whoever sent it may have hung up."""
        self._held.set()

    def close(self) -> None:
        """Hang up once both ends have."""
        self._held.set()
        self._open.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(self._started(self._connect, client, self._open))

    def _connect(self, client: socket.socket, gate: Event) -> None:
        always = Event()
        always.set()
        with client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            back = self._started(_carry, server, client, always)
            _carry(client, server, gate)
            back.join()

    @staticmethod
    def _started(work, *args) -> Thread:
        thread = Thread(target=work, args=args, daemon=True)
        thread.start()
        return thread


def _carry(source: socket.socket, target: socket.socket, gate: Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            gate.wait()
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)

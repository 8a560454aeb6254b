"""An HTTP client that costs as little as possible.

The client requests a path on several connections at once, and discards response bodies without
copying them.

python -m bench.measuring.load PORT CLIENTS TIMES BYTES PATH

Each of CLIENTS connections requests PATH TIMES times in sequence; BYTES is the length of a body.
The program prints JSON: the elapsed seconds, and the longest time to the first byte of a response.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from contextlib import ExitStack
from typing import Final

_PIECE: Final = 1 << 20
_HEAD: Final = 16384


class Connection:
    """A connection with at most one request in progress."""

    def __init__(self, port: int, request: bytes, size_bytes: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._request = request
        self._size_bytes = size_bytes
        self._buffer = bytearray(_PIECE)
        self._left = -1
        self._head = b""
        self._asked = 0.0
        self.slowest_s = 0.0

    def ask(self) -> None:
        """Send one request for the path."""
        self._left, self._head, self._asked = -1, b"", time.perf_counter()
        self.socket.sendall(self._request)

    def more(self) -> bool:
        """Receive bytes once, and return whether the response is complete.

        Raises:
            RuntimeError: The status is not 200, or the server closed the connection.
        """
        if self._left < 0:
            data = self.socket.recv(_HEAD)
            if not data:
                raise RuntimeError("the server closed the connection")
            if not self._head:
                self.slowest_s = max(self.slowest_s, time.perf_counter() - self._asked)
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return False
            if not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(head.decode(errors="replace"))
            self._left = self._size_bytes - len(body)
        elif self._left:
            # With MSG_TRUNC, the kernel counts and discards the bytes (tcp(7)).
            got = self.socket.recv_into(self._buffer, min(_PIECE, self._left), socket.MSG_TRUNC)
            if not got:
                raise RuntimeError("the server closed the connection within a body")
            self._left -= got
        return self._left == 0


def run(port: int, clients: int, times: int, size_bytes: int, path: str) -> dict[str, float]:
    """Send all requests, and return the figures.

    Args:
        port: The server's port on 127.0.0.1.
        clients: The number of connections.
        times: The number of requests on each connection.
        size_bytes: The length of a response body.
        path: The path to request.

    Raises:
        RuntimeError: The status of a response is not 200, or a response ends early.
    """
    accept = "application/vnd.oci.image.manifest.v1+json"
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: {accept}, */*\r\n\r\n".encode()
    )
    with ExitStack() as held, selectors.DefaultSelector() as selector:
        connections = [Connection(port, request, size_bytes) for _ in range(clients)]
        for one in connections:
            held.callback(one.socket.close)
        began = time.perf_counter()
        for one in connections:
            selector.register(one.socket, selectors.EVENT_READ, one)
            one.ask()
        left = dict.fromkeys(connections, times)
        while left:
            for key, _ in selector.select():
                one = key.data
                if not one.more():
                    continue
                left[one] -= 1
                if left[one]:
                    one.ask()
                else:
                    selector.unregister(one.socket)
                    del left[one]
        return {
            "wall_s": time.perf_counter() - began,
            "first_byte_s": max(one.slowest_s for one in connections),
        }


def main() -> None:
    """Run the command line, and print the figures."""
    port, clients, times, size, path = sys.argv[1:]
    print(json.dumps(run(int(port), int(clients), int(times), int(size), path)))


if __name__ == "__main__":
    main()

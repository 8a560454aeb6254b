"""``storectl serve`` as a process, with methods that send requests over a socket."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self, final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 120

UNWATCHED = "import mirror.process.reloading as r; r.watch.__kwdefaults__['interval_s'] = 3600.0"
"""A value for `Mirror.first`: only a signal reloads files, so that a test can count reloads."""

NO_REFILL = "import mirror.access.throttle; mirror.access.throttle.REFILL_S = 3600.0"
"""A value for `Mirror.first`: login attempts are not refilled, so that a test can count them."""


@final
class Mirror:
    """A server in its own process, on a port that the system chooses; ``log`` has the server's log.

    ``first`` is a line of Python that runs before the server starts, for example to shorten a time
    that no option sets. ``under`` is a command that runs the server, such as strace.
    """

    def __init__(
        self,
        root: Path,
        *options: str,
        address: str = "127.0.0.1",
        first: str = "",
        under: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.log = root.parent / f"{root.name}.log"
        said = root.parent / f"{root.name}.out"
        program = (
            ["-c", f"{first}\nfrom storectl.cli import main\nmain()"]
            if first
            else ["-m", "storectl"]
        )
        command = [
            *under,
            sys.executable,
            *program,
            "--root",
            str(root),
            "serve",
            "--listen",
            f"{address}:0",
            *options,
        ]
        with self.log.open("ab") as log, said.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while (
            match := re.search(
                r" on (?P<scheme>https?)://(?P<host>.+):(?P<port>[0-9]+)\n", said.read_text()
            )
        ) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"storectl serve is not ready:\n{self.log.read_text()}")
            time.sleep(0.02)
        self.port = int(match["port"])
        self.host = f"{address}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the server and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STOP_TIMEOUT_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            with connection.getresponse() as response:
                return response.status, response.headers, response.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:  # noqa: ANN401 - JSON
        status, _, body = self.request("GET", path)
        assert status == http.client.OK, (status, body)
        return json.loads(body)

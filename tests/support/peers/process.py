"""Running a peer: what it said, and why when it would not."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, final

from tests.support.engine import SEARCH_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

COMMAND_TIMEOUT_S: Final = 500
START_TIMEOUT_S: Final = 180
STOP_TIMEOUT_S: Final = 30


class PeerError(Exception):
    """A peer's server did not start: a broken machine, never a finding."""


@final
class PeerRefusal(Exception):
    """A peer ended with an error. ``message`` is its own, without what differs from run to run."""

    def __init__(self, command: Sequence[str], said: str) -> None:
        self.message = essence(said)
        super().__init__(f"{' '.join(command)}: {said}")


@final
class Programs:
    """Runs peers in one environment: a home, temporary files and a runtime folder that are nobody else's."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        for name in ("home", "temporary", "run"):
            (folder / name).mkdir(parents=True)
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DOCKER_HOST", "CONTAINERS_CONF", "REGISTRY_AUTH_FILE"}
        }
        own = {
            "HOME": f"{folder}/home",
            "TMPDIR": f"{folder}/temporary",
            "XDG_RUNTIME_DIR": f"{folder}/run",
            "PATH": SEARCH_PATH,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        self.environment = {**kept, **own, **environment}

    def run(self, *command: str | Path, stdin: Path | None = None, cwd: Path | None = None) -> str:
        """What the command prints on standard output.

        Raises PeerRefusal when it ends with an error.
        """
        words = [str(word) for word in command]
        with contextlib.ExitStack() as stack:
            source = subprocess.DEVNULL if stdin is None else stack.enter_context(stdin.open("rb"))
            done = subprocess.run(
                words,
                stdin=source,
                capture_output=True,
                text=True,
                check=False,
                env=self.environment,
                timeout=COMMAND_TIMEOUT_S,
                cwd=cwd or self.folder,
            )
        if done.returncode != 0:
            raise PeerRefusal(
                words,
                done.stderr.strip()
                or done.stdout.strip()
                or f"exit code {done.returncode}, without a word",
            )
        return done.stdout


@final
class Server:
    """A peer's daemon: started on construction, `await_start`-ed, ended by `stop`."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str]
    ) -> None:
        words = [str(word) for word in command]
        if guard := shutil.which("setpriv"):
            # Should the tests be killed, their servers end too.
            words = [guard, "--pdeathsig", "TERM", "--", *words]
        self._log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=dict(environment),
                start_new_session=True,
            )

    def await_start(self, ready: Callable[[], bool]) -> Self:
        """Return when ``ready`` says so.

        Raises PeerError with the end of the log when it never does.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if ready():
                return self
            time.sleep(0.05)
        self.stop()
        raise PeerError("\n".join(self._log.read_text(errors="replace").splitlines()[-25:]))

    def stop(self) -> None:
        """End it, and what it started."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on, for a program that has to be told one.

    It is none of those that the system hands out by itself (ip(7), ip_local_port_range), to clients
    and to whoever asks for any: one of these might be somebody else's by the time that the program
    listens."""
    given_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = random.SystemRandom().sample(range(given_out // 2, given_out), 100)
    for port in candidates:
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise PeerError(f"no port below {given_out} is free")


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


_LOGRUS: Final = re.compile(r'^time="[^"]*" level=\w+ msg="(?P<message>(?:[^"\\]|\\.)*)".*$')
_VARYING: Final = (
    (re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d "), ""),
    (re.compile(r"127\.0\.0\.1:\d+"), "REGISTRY"),
    (re.compile(r"\bsha256:[0-9a-f]{64}\b"), "sha256:…"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "…"),
    (re.compile(r"(?<![\w/])/(?:[^\s:,\"'`)/]+/)+([^\s:,\"'`)/]+)"), r"…/\1"),
    (re.compile(r"\b(?:dir|oci|storage)\d{5,}"), "…"),
)


def essence(said: str) -> str:
    """The last line of an error (all of them, where they are a list), freed of times, paths, ports and digests."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    line = " ".join(lines) if lines[-1].startswith("* ") else lines[-1]
    if match := _LOGRUS.match(line):
        line = match["message"].replace('\\"', '"').replace("\\\\", "\\")
    for pattern, replacement in _VARYING:
        line = pattern.sub(replacement, line)
    return line

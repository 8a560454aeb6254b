"""Credential helpers: programs that keep credentials, which docker and podman run.

The program ``docker-credential-NAME`` gets a command as its argument and JSON, or the name of a
registry, on its standard input; secrets are never arguments. Source: docker-credential-helpers,
README.md, "Development".
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final, final

from remote.auth.credentials import Credentials
from remote.credentials.documents import TOKEN_USER
from store.errors import InvalidInput, Unavailable, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

logger = logging.getLogger(__name__)

PREFIX: Final = "docker-credential-"
LIMIT_S: Final = 120.0
"""How long a helper may run, in seconds: it may ask a person for a passphrase."""

MAX_OUTPUT_BYTES: Final = 1 << 20
"""The most that is read from a helper; a token has some kilobytes."""

MAX_INPUT_BYTES: Final = 60_000
"""The most that is written to a helper. It fits into a pipe, so that writing never waits."""

_NOT_FOUND: Final = ("credentials not found", "no credentials server url")
_MAX_QUOTED: Final = 300
_REMEMBERED_S: Final = 60.0
_HIDDEN: Final = frozenset(("DOCKER_AUTH_CONFIG", "LD_PRELOAD", "BASH_ENV", "ENV"))
_HIDDEN_PREFIXES: Final = ("STORECTL_", "PYTHON", "BASH_FUNC_")


class HelperFailed(Unavailable):
    """A credential helper that is missing, fails, or gives an answer that is not valid.

    Attributes:
        helper: The name of the program.
    """

    def __init__(self, helper: str, fact: str, *, hint: str | None = None) -> None:
        super().__init__(f"credential helper {helper}: {fact}", hint=hint)
        self.helper = helper


@final
@dataclass(frozen=True, slots=True)
class Helpers:
    """Runs credential helpers, one at a time: each may ask a person for a passphrase.

    Answers are remembered for a minute, because many repositories of a registry have one answer.

    Args:
        environment: The environment variables. A helper gets all but those that configure this
            program, hold other credentials, or change how programs are loaded.
        limit_s: How long a helper may run, in seconds.
        monotonic: A clock that only goes forward, in seconds.
    """

    environment: Mapping[str, str] = field(repr=False)
    limit_s: float = LIMIT_S
    monotonic: Callable[[], float] = time.monotonic
    _answers: dict[tuple[str, tuple[str, ...]], tuple[float, Credentials | None]] = field(
        default_factory=dict, init=False, repr=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def get(self, name: str, servers: Sequence[str]) -> Credentials | None:
        """Return the credentials that a helper keeps for a registry; None if it has none.

        Args:
            name: The name of the helper without its prefix.
            servers: The names under which the helper may know the registry, the usual one first.

        Raises:
            HelperFailed: The helper is missing, fails, or gives an answer that is not valid.
        """
        asked = name, tuple(servers)
        with self._lock:
            until, found = self._answers.get(asked, (self.monotonic(), None))
            if self.monotonic() < until:
                return found
            found = self._ask(name, servers)
            self._answers[asked] = self.monotonic() + _REMEMBERED_S, found
            return found

    def _ask(self, name: str, servers: Sequence[str]) -> Credentials | None:
        for server in servers:
            answer = self._run(name, "get", server.encode())
            found = None if answer is None else _credentials(f"{PREFIX}{name}", answer)
            if found is not None:
                return found
        return None

    def store(self, name: str, server: str, username: str, secret: str) -> None:
        """Let a helper keep a name and a password.

        Args:
            name: The name of the helper without its prefix.
            server: The registry, as docker spells it for helpers.
            username: The name of the user.
            secret: The password.

        Raises:
            HelperFailed: The helper is missing or fails.
            InvalidInput: The password is too long for a helper.
        """
        entry = {"ServerURL": server, "Username": username, "Secret": secret}
        with self._lock:
            self._answers.clear()
            self._run(name, "store", json.dumps(entry).encode())

    def erase(self, name: str, server: str) -> None:
        """Let a helper forget the credentials for a registry; it need not have any.

        Raises:
            HelperFailed: The helper is missing or fails.
        """
        with self._lock:
            self._answers.clear()
            self._run(name, "erase", server.encode())

    def servers(self, name: str) -> tuple[str, ...]:
        """Return the registries for which a helper keeps credentials.

        Raises:
            HelperFailed: The helper is missing, fails, or gives an answer that is not valid.
        """
        with self._lock:
            answer = self._run(name, "list", b"")
        found = _json(f"{PREFIX}{name}", answer or b"{}")
        return tuple(found)

    def _run(self, name: str, command: str, data: bytes) -> bytes | None:
        """Return what a helper prints; None if it says that it has no such credentials."""
        helper = f"{PREFIX}{name}"
        if len(data) > MAX_INPUT_BYTES:
            raise InvalidInput(
                f"cannot give the credentials to {helper}: they have more than"
                f" {MAX_INPUT_BYTES} bytes"
            )
        program = self._program(helper)
        logger.debug("running helper=%s command=%s", program, command)
        try:
            process = subprocess.Popen(  # noqa: S603 - no shell; the name was checked
                [program, command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._helper_environment(),
            )
        except OSError as error:
            raise HelperFailed(helper, f"cannot run {program}: {error.strerror}") from error
        try:
            output, complaint = self._exchange(helper, process, data)
            status = process.wait(timeout=max(0.0, self.limit_s))
        except subprocess.TimeoutExpired:
            raise self._too_slow(helper) from None
        finally:
            _end(process)
        if status == 0:
            return output
        said = (output.strip() or complaint.strip()).decode(errors="replace")
        if said.lower().startswith(_NOT_FOUND):
            return None
        lines = said.splitlines()
        reason = printable(lines[0][:_MAX_QUOTED]) if lines else f"it ended with status {status}"
        raise HelperFailed(
            helper,
            f"cannot {command} credentials: {reason}",
            hint=f"run the program by hand to see what it needs: {helper} {command}",
        )

    def _program(self, helper: str) -> str:
        # An empty or relative part of PATH would run a program of the current folder.
        folders = [
            folder
            for folder in self.environment.get("PATH", os.defpath).split(os.pathsep)
            if os.path.isabs(folder)  # noqa: PTH117 - the text of a variable
        ]
        found = shutil.which(helper, path=os.pathsep.join(folders)) if folders else None
        if found is None:
            raise HelperFailed(
                helper,
                "there is no such program in PATH",
                hint="install it, or remove its name from the file with the credentials",
            )
        return found

    def _helper_environment(self) -> dict[str, str]:
        return {
            name: value
            for name, value in self.environment.items()
            if name not in _HIDDEN and not name.startswith(_HIDDEN_PREFIXES)
        }

    def _exchange(
        self, helper: str, process: subprocess.Popen[bytes], data: bytes
    ) -> tuple[bytes, ...]:
        """Write the input and read both outputs, up to the ceilings for bytes and time."""
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AssertionError("the helper was started with three pipes")
        try:
            process.stdin.write(data)
            process.stdin.close()
        except BrokenPipeError:
            # The helper ended without reading; its status and output say why.
            logger.debug("helper=%s did not read its input", helper)
        return self._read(helper, process.stdout, process.stderr)

    def _read(self, helper: str, *streams: IO[bytes]) -> tuple[bytes, ...]:
        until = self.monotonic() + self.limit_s
        read: dict[object, list[bytes]] = {stream: [] for stream in streams}
        total_bytes = 0
        with selectors.DefaultSelector() as selector:
            for stream in streams:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, until - self.monotonic()))
                if not ready:
                    raise self._too_slow(helper)
                for key, _ in ready:
                    part = os.read(key.fd, 65536)
                    read[key.fileobj].append(part)
                    total_bytes += len(part)
                    if not part:
                        selector.unregister(key.fileobj)
                if total_bytes > MAX_OUTPUT_BYTES:
                    raise HelperFailed(helper, f"it prints more than {MAX_OUTPUT_BYTES} bytes")
        return tuple(b"".join(parts) for parts in read.values())

    def _too_slow(self, helper: str) -> HelperFailed:
        return HelperFailed(
            helper,
            f"it gave no answer for {self.limit_s:g} s",
            hint="it may wait for a passphrase: unlock its store first, then try again",
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a helper that still runs, and close its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                # The input was not read.
                continue


def _credentials(helper: str, answer: bytes) -> Credentials | None:
    members = _json(helper, answer)
    username, secret = members.get("Username", ""), members.get("Secret", "")
    if not isinstance(username, str) or not isinstance(secret, str):
        raise HelperFailed(helper, "its answer has no text as Username and Secret")
    if username == TOKEN_USER:
        found = Credentials(identity_token=secret, source=helper)
    else:
        found = Credentials(username, secret, source=helper)
    return found if found.has_secret else None


def _json(helper: str, answer: bytes) -> dict[str, object]:
    """Return the members of an answer. No message quotes the answer: it holds a secret."""
    try:
        members = json.loads(answer)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise HelperFailed(helper, "its answer is not a JSON object")
    return members

"""The images of a containerd, through its client ``ctr``: what it has, and what it imports."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final, final

from remote.engine.connection import EngineRefused, EngineUnavailable
from store.errors import printable
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_OUTPUT_BYTES: Final = 256 * MIB
"""The largest list of contents that is read: more than three million digests."""

TIMEOUT_S: Final = 120.0
"""How long a question to containerd may take, in seconds."""

_MAX_MESSAGE: Final = 300
_MAX_ERROR_BYTES: Final = 64 * 1024


@final
@dataclass(frozen=True, slots=True)
class Containerd:
    """A containerd that ``ctr`` reaches.

    Attributes:
        program: ``ctr``, with the arguments that say where containerd is.
        place: The containerd and its namespace, for messages.
        environment: The variables that ctr gets.
        import_options: The arguments of an import, which choose the platform that is unpacked.
    """

    program: tuple[str, ...]
    place: str
    environment: Mapping[str, str] = field(repr=False)
    import_options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.place

    def image_digest(self, name: str) -> Digest | None:
        """Return the digest of the manifest or index that a name stands for; None for none.

        Args:
            name: The full name, with a tag.

        Raises:
            EngineUnavailable: ctr cannot be run, or cannot reach containerd.
        """
        for line in self._ask("images", "ls", f"name=={name}").splitlines()[1:]:
            words = line.split()
            found = next((word for word in words[1:] if word.startswith("sha")), None)
            if words and words[0] == name and found is not None:
                return Digest.parse(found)
        return None

    def contents(self) -> frozenset[str]:
        """Return the digests of all contents.

        Raises:
            EngineUnavailable: ctr cannot be run, or cannot reach containerd.
        """
        lines = self._ask("content", "ls").splitlines()[1:]
        return frozenset(line.split(maxsplit=1)[0] for line in lines if line.strip())

    @contextmanager
    def importing(self) -> Iterator[Importing]:
        """Send an archive to ``ctr images import``.

        Raises:
            EngineUnavailable: ctr cannot be run.
        """
        process = self._started("images", "import", *self.import_options, "-", has_input=True)
        importing = Importing(process)
        try:
            yield importing
        finally:
            importing.close()

    def _started(self, *words: str, has_input: bool = False) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - no shell; the user names the program
                [*self.program, *words],
                stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(self.environment),
            )
        except OSError as error:
            reason = error.strerror or str(error)
            if isinstance(error, FileNotFoundError):
                reason = "there is no such program"
            raise EngineUnavailable(
                f"cannot run {printable(self.program[0])}: {reason}",
                hint="install ctr, the client of containerd",
            ) from error

    def _ask(self, *words: str) -> str:
        process = self._started(*words)
        errors = _Tail(process.stderr)
        timer = threading.Timer(TIMEOUT_S, process.kill)
        timer.start()
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            data = process.stdout.read(MAX_OUTPUT_BYTES + 1)
            if len(data) > MAX_OUTPUT_BYTES:
                raise EngineUnavailable(f"ctr wrote more than {MAX_OUTPUT_BYTES} bytes")
            if process.wait() != 0:
                raise EngineUnavailable(f"cannot ask containerd: {errors.text()}")
        finally:
            timer.cancel()
            _end(process, process.stdout, errors)
        return data.decode("utf-8", "replace")


@final
class Importing:
    """An archive that is being sent to containerd.

    Args:
        process: ``ctr images import``, whose three streams are pipes.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._errors = _Tail(process.stderr)
        self._output = _Tail(process.stdout)

    def write(self, data: bytes) -> None:
        """Send bytes of the archive.

        Raises:
            EngineRefused: ctr has ended before the end of the archive.
        """
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(data)
        except BrokenPipeError:
            self.finish()
            raise EngineRefused("ctr ended before it had read the whole archive") from None

    def finish(self) -> None:
        """Wait until containerd has imported and unpacked the image.

        Raises:
            EngineRefused: It does not take the archive.
        """
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        # What ctr says is the reason.
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._process.wait() != 0:
            raise EngineRefused(f"containerd cannot load the image: {self._errors.text()}")

    def close(self) -> None:
        """End ctr if it still runs: the archive is then incomplete, and nothing is imported."""
        _end(self._process, self._process.stdin, self._errors, self._output)


def _end(process: subprocess.Popen[bytes], *streams: IO[bytes] | _Tail | None) -> None:
    """End ctr if it still runs, and close its streams."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in streams:
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()


@final
class _Tail:
    """Reads a stream in a thread, and keeps its last bytes.

    Only the owner of this object closes the stream, for a thread cannot read a closed one.
    """

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None  # noqa: S101 - callers ask for a pipe
        self._stream = stream
        self._data = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while data := self._stream.read(4096):
            self._data = (self._data + data)[-_MAX_ERROR_BYTES:]

    def text(self) -> str:
        """Return the last line that is not empty, without the prefix of ctr."""
        self._thread.join(TIMEOUT_S)
        lines = self._data.decode("utf-8", "replace").strip().splitlines() or ["it gave no reason"]
        return printable(lines[-1].removeprefix("ctr: ")[:_MAX_MESSAGE])

    def close(self) -> None:
        """Close the stream, once the thread has read it to its end.

        A stream that another process still holds open stays open.
        """
        self._thread.join(TIMEOUT_S)
        if not self._thread.is_alive():
            self._stream.close()

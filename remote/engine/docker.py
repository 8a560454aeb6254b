"""The images of a Docker engine: what it has, what it loads, and what it saves."""

from __future__ import annotations

import http.client
import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast, final
from urllib.parse import quote, urlencode

from remote.engine.connection import (
    Body,
    EngineImageNotFound,
    EngineRefused,
    EngineUnavailable,
    ask,
    connected,
    faults,
    parsed,
    require_success,
)
from store.errors import printable
from store.model.limits import MIB
from store.model.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from remote.engine.connection import UnixConnection

_MAX_IMAGES: Final = 5_000
"""How many images of an engine are looked at for layers that it has."""

_MAX_LINE_BYTES: Final = MIB
_MAX_LINES: Final = 10_000_000
_MAX_MESSAGE: Final = 300
_MAX_ERROR_BYTES: Final = MIB
_READ_BYTES: Final = MIB
_SNAPSHOTTERS: Final = "io.containerd.snapshotter.v1"


@final
@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says about itself.

    Attributes:
        platform: The platform of the images that it runs.
        version: Its version, such as ``28.5.2``.
        has_containerd_store: Whether containerd keeps its images. It then keeps manifests, and the
            ID of an image is the digest of its manifest or index.
    """

    platform: Platform
    version: str
    has_containerd_store: bool

    @property
    def reads_zstd(self) -> bool:
        """Whether it loads layers that are compressed with zstd (Docker ≥ 23)."""
        major = self.version.partition(".")[0]
        return not major.isdecimal() or int(major) >= 23  # noqa: PLR2004 - a version


@final
class DockerEngine:
    """A Docker engine. Every method opens a connection of its own.

    Args:
        path: The socket of the engine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def facts(self) -> EngineFacts:
        """Return what the engine says about itself.

        Raises:
            EngineUnavailable: It cannot be reached, or its answer is not valid.
        """
        version, info = ask(self._path, "/version"), ask(self._path, "/info")
        try:
            platform = Platform.of(str(version["Os"]), str(version["Arch"]))
            number, states = str(version["Version"]), info.get("DriverStatus") or []
            return EngineFacts(platform, number, ["driver-type", _SNAPSHOTTERS] in states)
        except (AttributeError, LookupError, TypeError):
            raise _invalid("version") from None

    def image_id(self, name: str) -> str | None:
        """Return the ID of an image; None if the engine does not have it.

        Args:
            name: A name with a tag, or an ID.

        Raises:
            EngineUnavailable: The engine cannot be reached.
        """
        try:
            return str(self._image(name).get("Id"))
        except EngineImageNotFound:
            return None

    def held_layers(self, diff_ids: Sequence[str]) -> int:
        """Return how many layers, from the lowest one on, the engine has on top of each other.

        Args:
            diff_ids: The diff IDs of an image, the lowest layer first.

        Raises:
            EngineUnavailable: The engine cannot be reached.
        """
        held = 0
        images = ask(self._path, "/images/json?all=1")
        if not isinstance(images, list):
            raise _invalid("list of images")
        identities = [one["Id"] for one in images if isinstance(one, dict) and "Id" in one]
        for identity in list(dict.fromkeys(map(str, identities)))[:_MAX_IMAGES]:
            if held == len(diff_ids):
                break
            try:
                found = self._image(identity).get("RootFS") or {}
                layers = found.get("Layers") or []
            except EngineImageNotFound:
                # It was removed meanwhile.
                continue
            except AttributeError:
                raise _invalid("image") from None
            common = 0
            for mine, its in zip(diff_ids, layers, strict=False):
                if mine != its:
                    break
                common += 1
            held = max(held, common)
        return held

    def _image(self, name: str) -> dict[str, Any]:
        found = ask(self._path, f"/images/{quote(name, safe='/:@')}/json")
        if not isinstance(found, dict):
            raise _invalid("image")
        return found

    @contextmanager
    def saving(self, name: str) -> Iterator[BinaryIO]:
        """Read the archive that ``docker save`` writes.

        Args:
            name: A name with a tag, or an ID.

        Yields:
            The bytes of the archive.

        Raises:
            EngineImageNotFound: The engine does not have the image.
            EngineUnavailable: It cannot be reached, or the archive ends early.
        """
        with connected(self._path) as connection:
            connection.request("GET", f"/images/get?{urlencode({'names': name})}")
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                require_success(answer.status, answer.read(_MAX_ERROR_BYTES))
            body = Body(self._path, answer)
            yield cast("BinaryIO", io.BufferedReader(body, _READ_BYTES))

    @contextmanager
    def loading(self, size_bytes: int) -> Iterator[Loading]:
        """Send an archive as ``docker load`` does.

        Args:
            size_bytes: The size of the archive.

        Raises:
            EngineUnavailable: The engine cannot be reached.
        """
        with connected(self._path) as connection:
            connection.putrequest("POST", "/images/load?quiet=0")
            connection.putheader("Content-Type", "application/x-tar")
            connection.putheader("Content-Length", str(size_bytes))
            connection.endheaders()
            yield Loading(self._path, connection)


@final
class Loading:
    """An archive that is being sent to an engine.

    Args:
        path: The socket.
        connection: The connection; the headers of the request have been sent.
    """

    def __init__(self, path: Path, connection: UnixConnection) -> None:
        self._path = path
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Send bytes of the archive.

        Raises:
            EngineRefused: The engine has refused the archive before its end.
            EngineUnavailable: The connection has ended.
        """
        try:
            self._connection.send(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            # The engine may have said why.
            with faults(self._path):
                self.finish()
            raise EngineUnavailable("the Docker engine ended the connection") from error

    def finish(self) -> None:
        """Wait until the engine has loaded all images of the archive.

        Raises:
            EngineRefused: The engine does not take the archive.
            EngineUnavailable: The connection has ended, or the answer is not valid.
        """
        with faults(self._path):
            answer = self._connection.getresponse()
            if answer.status != http.client.OK:
                require_success(answer.status, answer.read(_MAX_ERROR_BYTES))
            for _ in range(_MAX_LINES):
                line = answer.readline(_MAX_LINE_BYTES)
                if not line:
                    return
                said = parsed(line) if line.strip() else {}
                if isinstance(said, dict) and said.get("error"):
                    message = printable(str(said["error"])[:_MAX_MESSAGE])
                    raise EngineRefused(f"the Docker engine cannot load the image: {message}")
        raise _invalid("progress")


def _invalid(what: str) -> EngineUnavailable:
    return EngineUnavailable(f"the engine's answer about its {what} is not valid")

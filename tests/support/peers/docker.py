"""Docker Engine as a producer and consumer of archives; `tests.support.engine` starts Docker."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from tests.support.engine import EngineRefusal
from tests.support.peers.process import PeerRefusal

if TYPE_CHECKING:
    from tests.support.engine import Engine


def version(engine: Engine) -> str:
    """Return the engine's version."""
    said: str = json.loads(engine.request("GET", "/version")[1])["Version"]
    return said.partition("+")[0]


def pull(engine: Engine, source: str, name: str) -> None:
    """Pull an image and add the tag ``name``.

    Raises:
        PeerRefusal: The engine cannot pull the image.
    """
    status, body = engine.request("POST", f"/images/create?{urlencode({'fromImage': source})}")
    said = [json.loads(line) for line in body.splitlines() if line.strip()]
    problems = [
        message.get("error") or message["message"]
        for message in said
        if "error" in message or status != http.client.OK
    ]
    if problems:
        raise PeerRefusal(["docker", "pull", source], problems[-1])
    repository, _, tag = name.rpartition(":")
    engine.request(
        "POST",
        f"/images/{quote(source, safe='')}/tag?{urlencode({'repo': repository, 'tag': tag})}",
    )


def load(engine: Engine, archive: bytes) -> None:
    """Load an archive into the engine.

    Raises:
        PeerRefusal: The engine refuses the archive.
    """
    problems = [message["error"] for message in engine.load(archive) if "error" in message]
    if problems:
        raise PeerRefusal(["docker", "load"], problems[-1])


def image_id(engine: Engine, name: str) -> str | None:
    """Return the ID of the image that ``name`` refers to in the engine, or None."""
    try:
        found: str = engine.inspect(name)["Id"]
    except EngineRefusal:
        return None
    return found

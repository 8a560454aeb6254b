"""Docker Engine as a producer and consumer of archives (`tests.support.engine` starts it)."""

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
    """As the engine says it."""
    said: str = json.loads(engine.request("GET", "/version")[1])["Version"]
    return said.partition("+")[0]


def pull(engine: Engine, source: str, name: str) -> None:
    """Pull an image and give it another name. Raises PeerRefusal."""
    status, body = engine.request("POST", f"/images/create?{urlencode({'fromImage': source})}")
    said = [json.loads(line) for line in body.splitlines() if line.strip()]
    problems = [
        one.get("error") or one["message"]
        for one in said
        if "error" in one or status != http.client.OK
    ]
    if problems:
        raise PeerRefusal(["docker", "pull", source], problems[-1])
    repository, _, tag = name.rpartition(":")
    engine.request(
        "POST",
        f"/images/{quote(source, safe='')}/tag?{urlencode({'repo': repository, 'tag': tag})}",
    )


def load(engine: Engine, archive: bytes) -> None:
    """Load an archive. Raises PeerRefusal."""
    problems = [one["error"] for one in engine.load(archive) if "error" in one]
    if problems:
        raise PeerRefusal(["docker", "load"], problems[-1])


def image_id(engine: Engine, name: str) -> str | None:
    """The ID of the image that the engine knows by ``name``; None when it knows none."""
    try:
        found: str = engine.inspect(name)["Id"]
    except EngineRefusal:
        return None
    return found

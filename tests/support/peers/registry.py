"""A registry for the tests: Debian's docker-registry on the loopback interface, without users."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final, final

from tests.support.engine import program
from tests.support.peers.process import Programs, Server, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG: Final = """version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
ACCEPT: Final = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)


@final
class Registry:
    """A registry that the tests start; always call `stop`."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        folder.mkdir()
        port = free_port()
        self.host = f"127.0.0.1:{port}"
        self._programs = programs
        (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
        command = [program("docker-registry"), "serve", f"{folder}/config.yml"]
        self._server = Server(command, folder / "log", programs.environment).await_start(
            lambda: listens(port)
        )

    def stop(self) -> None:
        """End the server."""
        self._server.stop()

    def version(self) -> str:
        """Return the registry's version."""
        return self._programs.run(program("docker-registry"), "--version").split()[-1]

    def _get(self, path: str) -> tuple[bytes, str]:
        connection = http.client.HTTPConnection(self.host, timeout=120)
        try:
            connection.request("GET", path, headers={"Accept": ACCEPT})
            answer = connection.getresponse()
            data = answer.read()
            if answer.status != http.client.OK:
                raise LookupError(f"{path}: {answer.status} {data.decode(errors='replace')}")
            return data, answer.headers.get("Docker-Content-Digest", "")
        finally:
            connection.close()

    def manifest(self, repository: str, reference: str) -> tuple[str, bytes]:
        """Return the digest and the bytes of a manifest or index.

        Raises:
            LookupError: The registry does not have the manifest.
        """
        data, digest = self._get(f"/v2/{repository}/manifests/{reference}")
        return digest, data

    def tags(self, repository: str) -> set[str]:
        """Return the tags of a repository.

        Raises:
            LookupError: The registry does not have the repository.
        """
        return set(json.loads(self._get(f"/v2/{repository}/tags/list")[0])["tags"] or ())

    def everything(self, repository: str, reference: str) -> Iterator[tuple[str, bytes]]:
        """Yield the digest and the bytes of a manifest, then of everything below the manifest.

        Raises:
            LookupError: A blob or manifest is missing.
        """
        digest, data = self.manifest(repository, reference)
        yield digest, data
        document: dict[str, Any] = json.loads(data)
        for link in document.get("manifests", ()):
            yield from self.everything(repository, link["digest"])
        for link in (
            *([document["config"]] if "config" in document else ()),
            *document.get("layers", ()),
        ):
            yield link["digest"], self._get(f"/v2/{repository}/blobs/{link['digest']}")[0]

"""Contestants that pull an image from a registry, or push one to it, and keep or send all bytes.

Each row of a case is one client; the server is the same for all, and its cost is not counted.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from bench.contestants import ours
from bench.contestants.command import Command
from bench.contestants.peers import NEWEST_SKOPEO, SKOPEO
from bench.contestants.servers import OURS, SERVERS, Served, remove, start
from bench.workshop import program, storectl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.contestants.servers import Running
    from bench.workshop import Workshop

CRANE: Final = "crane"
REGCTL: Final = "regctl"
_NAME: Final = "bench/real:1"


def pulling(shop: Workshop, layout: Path, image: str, server: str) -> Sequence[Command]:
    """Return the clients that pull an image: storectl into a store, others into a layout.

    Args:
        shop: Creates the folders.
        layout: The image layout with the image.
        image: The image's name in the layout.
        server: The name of the registry in `SERVERS`.
    """
    served = Served(server, shop, lambda running: _filled(running, layout, image))

    def client(name: str, argv: Callable[[str, Path], Sequence[str]]) -> Command:
        def command(folder: Path) -> Sequence[str]:
            running, path, _ = served.ready()
            return argv(f"127.0.0.1:{running.port}/{path}", folder / "out")

        def setup(folder: Path) -> None:
            argv("", folder)
            served.ready()
            if name == OURS:
                ours.empty_store(folder / "out")

        return Command(name, shop, command, setup=setup)

    return [
        client(
            OURS,
            lambda source, out: [
                *(storectl(), "--root", str(out), "pull", "-q", "--plain-http", source)
            ],
        ),
        *(
            client(
                NEWEST_SKOPEO if newest else SKOPEO,
                lambda source, out, newest=newest: [  # type: ignore[misc]
                    *(program("skopeo", newest=newest), "copy", "-q", "--insecure-policy"),
                    *("--src-tls-verify=false", f"docker://{source}", f"oci:{out}:image"),
                ],
            )
            for newest in (True, False)
        ),
        client(
            CRANE,
            lambda source, out: [
                *(program("crane-0.22", newest=True), "pull", "--insecure", "--format=oci"),
                *(source, str(out)),
            ],
        ),
        client(
            REGCTL,
            lambda source, out: [
                *_regctl(source),
                *("image", "copy", source, f"ocidir://{out}:image"),
            ],
        ),
    ]


def pushing(shop: Workshop, layout: Path, image: str, server: str) -> Sequence[Command]:
    """Return the clients that push an image to an empty registry.

    storectl pushes from a store, and also copies the layout as the other clients do.

    Args:
        shop: Creates the folders.
        layout: The image layout with the image.
        image: The image's name in the layout.
        server: The name of the registry in `SERVERS`.
    """
    root = ours.new_store(shop, [layout])

    def client(name: str, argv: Callable[[str], Sequence[str]]) -> Command:
        receiver = _Receiver(shop, server)

        def setup(folder: Path) -> None:
            argv("")
            receiver.start(folder)

        return Command(
            name,
            shop,
            lambda _folder: argv(receiver.image),
            inputs=[root, layout],
            keeps=(),
            setup=setup,
            teardown=receiver.stop,
        )

    source = f"oci:{layout}:{image}"
    return [
        client(
            OURS,
            lambda target: [
                *(storectl(), "--root", str(root), "push", "-q", "--plain-http"),
                *(image, target),
            ],
        ),
        client(
            f"{OURS} copy",
            lambda target: [storectl(), "copy", "-q", "--plain-http", source, target],
        ),
        *(
            client(
                NEWEST_SKOPEO if newest else SKOPEO,
                lambda target, newest=newest: [  # type: ignore[misc]
                    *(program("skopeo", newest=newest), "copy", "-q", "--insecure-policy"),
                    *("--preserve-digests", "--dest-tls-verify=false", source),
                    f"docker://{target}",
                ],
            )
            for newest in (True, False)
        ),
        client(
            CRANE,
            lambda target: [
                *(program("crane-0.22", newest=True), "push", "--insecure", str(layout), target)
            ],
        ),
        client(
            REGCTL,
            lambda target: [
                *_regctl(target),
                *("image", "copy", f"ocidir://{layout}@{_root(layout)}", target),
            ],
        ),
    ]


def _regctl(image: str) -> list[str]:
    host = image.partition("/")[0]
    return [program("regctl", newest=True), "--host", f"reg={host},tls=disabled"]


def _root(layout: Path) -> str:
    """Return the digest of the only image of a layout. regctl takes only tags as names."""
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    digest: str = entry["digest"]
    return digest


def _filled(running: Running, layout: Path, image: str) -> tuple[str, int]:
    """Push the image of a layout to a server."""
    target = f"docker://127.0.0.1:{running.port}/{_NAME}"
    options = ["copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]
    subprocess.run([program("skopeo"), *options, f"oci:{layout}:{image}", target], check=True)
    return _NAME, 0


@final
@dataclass(slots=True)
class _Receiver:
    """An empty registry for each run of a client.

    Attributes:
        shop: Creates the folder.
        server: The name of the registry in `SERVERS`.
    """

    shop: Workshop
    server: str
    _running: Running | None = None

    def start(self, _folder: Path) -> None:
        """Start the registry.

        Raises:
            MissingError: The program is missing or does not start.
        """
        self._running = start(self.shop, SERVERS[self.server])

    def stop(self, _folder: Path) -> None:
        """Stop the registry, and remove its folder."""
        if self._running is not None:
            remove(self._running)
            self._running = None

    @property
    def image(self) -> str:
        """The name that the image gets."""
        assert self._running is not None  # noqa: S101 - `start` was called
        return f"127.0.0.1:{self._running.port}/{_NAME}"

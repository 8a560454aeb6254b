"""docs/interop.md: the matrix for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from tests.support.peers import docker
from tests.support.peers.consumers import CONSUMERS
from tests.support.peers.matrix import ATTACHED, FORMATS, FROM_DOCKER, Cell
from tests.support.peers.producers import PRODUCERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.peers.matrix import Matrix
    from tests.support.peers.workshop import Workshop

NOTHING: Final = "—"
_QUOTED: Final = re.compile(r": “(?P<message>.+?)”(?=; |, |$)")
_VERSIONS: Final = re.compile(r"(?<=<!-- versions -->\n).*?(?=<!-- end of versions -->)", re.DOTALL)

HEAD: Final = """# Who reads whom

What other tools write, imported into storectl; and what storectl saves, read by them. `make interop-table` runs every cell against the real programs and writes
this file; the test suite runs them again and compares. A cell says how an image is known on the far side:

- **same manifest digest**: by the digest it had at its source, so signatures and pins still hold (the image ID is then the same as well);
- **same image ID**: by the same config and layers; the format, or the peer, has no place for the manifest;
- **not supported by the peer**: the peer refuses, for the reason it gives, which is quoted below the table;
- —: the command is about something else.

Anything else fails the tests.

"""

IN: Final = """## In: they write, storectl imports

Where a peer puts an image into a manifest of its own (podman and buildah keep layers unpacked and compress them anew), that is what arrives, with its digest.
Docker, podman, `buildah push` and crane's tarballs narrow an index to this machine's platform without a word. A docker archive of an artifact, as crane writes
it, is no image, to Docker neither.

"""

NAMES: Final = """### Names

What each writes about the name of `matrix/image:1` (or `matrix/index:1`), and what is in the store after `storectl import`. A bare tag names nothing outside
its folder: `storectl import --prefix NAME` makes `NAME:1` of it, `--tag NAME` gives any name, and without them the image comes in without one. REGISTRY is the
host it was pulled from.

"""

OUT: Final = """## Out: storectl saves, they read

Images came in as layouts with their manifests, but for the first table's, are saved with `storectl save --format …`, and read with the peer's command. umoci is
given the unpacked tar; Docker and ctr the folder packed with `tar -c .`.
"""

NOTE: Final = """
The legacy archive is Docker's to the byte, and skopeo and podman stumble over Docker's own in the same way: a layer that two images share is a link there, that
they read for the first image only. `--format docker` has no links. Its index.json gives bare tags, as Docker's does, so that two images with one tag are told
apart in manifest.json only (`docker-archive:`); `--format oci` writes the whole name where tags are the same.
"""


@final
class Messages:
    """What peers said, numbered."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._open: dict[int, str] = {}

    def cell(self, cell: Cell | None) -> str:
        """A cell's text, its quotations replaced by their numbers."""
        return (
            NOTHING
            if cell is None
            else _QUOTED.sub(lambda match: f" [{self._number(match['message'])}]", str(cell))
        )

    def _number(self, message: str) -> int:
        number = self._numbers.setdefault(message, len(self._numbers) + 1)
        self._open.setdefault(number, message)
        return number

    def notes(self) -> str:
        """The quotations that were not yet written out."""
        lines = [f"- [{number}] `{message}`" for number, message in sorted(self._open.items())]
        self._open.clear()
        return "\n".join(lines) + "\n" if lines else ""


def versions(shop: Workshop) -> dict[str, str]:
    """What is compared with."""
    return {
        "Docker Engine": docker.version(shop.docker),
        "skopeo": shop.skopeo.version(),
        "podman": shop.podman.version(),
        "buildah": shop.buildah.version(),
        "umoci": shop.umoci.version(),
        "containerd": shop.containerd.version(),
        "crane": shop.crane.version(),
        "docker-registry": shop.registry.version(),
    }


def without_versions(text: str) -> str:
    """The document without what differs from machine to machine."""
    return _VERSIONS.sub("", text)


def render(matrix: Matrix) -> str:
    """The whole document; runs every cell that was not run yet. Raises Disagreement."""
    shop, messages = matrix.shop, Messages()
    subjects = shop.subjects
    parts = [
        HEAD,
        "<!-- versions -->\n",
        ", ".join(f"{name} {version}" for name, version in versions(shop).items()),
        ".\n<!-- end of versions -->\n\n",
        IN,
    ]
    rows = [
        [f"`{one.command}`", *(messages.cell(matrix.produced(one, key)) for key in subjects)]
        for one in PRODUCERS
    ]
    parts += [
        table(["", *(one.title for one in subjects.values())], rows),
        "\n",
        messages.notes(),
        "\n",
        NAMES,
    ]
    commands = [one.command for one in PRODUCERS if one.command in matrix.names]
    parts += [
        table(
            ["", "written", "after the import"],
            [[f"`{command}`", *matrix.names[command]] for command in commands],
        ),
        "\n",
        OUT,
    ]
    titles = {
        FROM_DOCKER: "one image that came in a docker archive",
        **{key: one.title for key, one in subjects.items()},
        ATTACHED: "one image, saved with `--referrers`",
    }
    for key, title in titles.items():
        rows = [
            [
                f"`{one.command}`",
                *(messages.cell(matrix.consumed(one, key, form)) for form in FORMATS),
            ]
            for one in CONSUMERS
        ]
        parts += [
            f"\n### {title[0].upper()}{title[1:]}\n\n",
            table(["", *FORMATS], rows),
            NOTE if key == "images" else "",
        ]
        parts += ["\n", messages.notes()]
    return "".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )

"""A generator of docs/interop.md from the results in the matrix of peers."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final, final

from tests.support.peers import docker
from tests.support.peers.consumers import CONSUMERS
from tests.support.peers.matrix import ATTACHED, FORMATS, FROM_DOCKER, Cell
from tests.support.peers.producers import PRODUCERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.support.peers.matrix import Matrix
    from tests.support.peers.workshop import Workshop

NOTHING: Final = "—"
_QUOTED: Final = re.compile(r": “(?P<message>.+?)”(?=; |, |$)")
_VERSIONS: Final = re.compile(r"(?<=<!-- versions -->\n).*?(?=<!-- end of versions -->)", re.DOTALL)

HEAD: Final = """# Other tools

This page shows which archives of other tools storectl imports, and which tools read the archives
that storectl saves. `make interop-table` runs every cell with the real programs and writes this
page; the test suite runs the cells again and compares. A cell says how the receiver knows the
image:

- **same manifest digest**: by the digest that the image had at its source, so signatures and pins
  still hold (the image ID is then the same, too);
- **same image ID**: by the same config and layers; the format, or the other tool, has no place for
  the manifest;
- **not supported by the peer**: the other tool refuses; its message is quoted below the table;
- —: the command does not apply.

Any other result fails the tests.

"""

IN: Final = """## In: other tools write, storectl imports

podman and buildah keep layers unpacked and compress them again, so they write a manifest of their
own; storectl keeps that manifest with its digest. Docker, podman, `buildah push` and crane's
tarballs reduce an index to this machine's platform without a message. Neither Docker nor storectl
takes a docker archive of an artifact, as crane writes it, for an image.

"""

NAMES: Final = """### Names

What each tool writes for the name `matrix/image:1` (or `matrix/index:1`), and the name in the store
after `storectl import`. A bare tag names nothing outside its folder:
`storectl import --prefix NAME` turns it into `NAME:1`, `--tag NAME` sets any name, and without
either the image is imported without a name. REGISTRY is the host from which the image was pulled.

"""

OUT: Final = """## Out: storectl saves, other tools read

The images of the first table were imported from docker archives, all others from image layouts with
their manifests. They are saved with `storectl save --format …` and read with the command in the
first column. umoci gets the unpacked tar; Docker and ctr get the folder packed with `tar -c .`.
"""

NOTE: Final = """
The legacy archive has Docker's bytes, and skopeo and podman fail on Docker's own archives in the
same way: a layer that two images share is a link in the archive, and they read it for the first
image only. `--format docker` writes no links. Its index.json has bare tags, as Docker's has, so
only manifest.json tells two images with the same tag apart (`docker-archive:`); `--format oci`
writes the whole name where tags are the same.
"""


@final
class Messages:
    """The messages of peers, each with a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._open: dict[int, str] = {}

    def cell(self, cell: Cell | None) -> str:
        """Return a cell's text, in which numbers replace the quoted messages."""
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
        """Return the quoted messages that no earlier call has returned, as a list."""
        lines = [f"- [{number}] `{message}`" for number, message in sorted(self._open.items())]
        self._open.clear()
        return "\n".join(lines) + "\n" if lines else ""


def versions(shop: Workshop) -> dict[str, str]:
    """Return the version of each tool, by the tool's name."""
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


def versions_line(versions: Mapping[str, str]) -> str:
    """Return a paragraph with the versions, between marks for `without_versions`."""
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    wrapped = textwrap.fill(f"{text}.", 100, break_on_hyphens=False)
    return f"<!-- versions -->\n{wrapped}\n<!-- end of versions -->\n\n"


def without_versions(text: str) -> str:
    """Return the document without its versions, which differ between machines."""
    return _VERSIONS.sub("", text)


def render(matrix: Matrix) -> str:
    """Return the whole document; run every cell that has not run yet.

    Raises:
        Disagreement: The result of a cell is not an expected result.
    """
    shop, messages = matrix.shop, Messages()
    subjects = shop.subjects
    parts = [
        HEAD,
        versions_line(versions(shop)),
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
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )

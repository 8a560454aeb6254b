"""docs/clients.md: the clients of the mirror for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.peers import docker
from tests.support.peers.client_matrix import SENTENCE, TITLES
from tests.support.peers.clients import PULLS, PUSHES, versions
from tests.support.peers.report import Messages, table

if TYPE_CHECKING:
    from tests.support.peers.client_matrix import Clients

HEAD: Final = """# Clients of the mirror

What pulls from `storectl serve`, and pushes to it. `make interop-table` runs every cell against the real programs and writes this file; the test suite runs
them again and compares. **Every cell was run twice, over plain HTTP without a name and over TLS as a user of an `--htpasswd` file with `--no-anonymous`, and
came out the same.** A cell says how an image is known on the far side:

- **same manifest digest**: by the digest it had at its source, so signatures and pins still hold; where the client writes files, every byte was compared;
- **same image ID, in a manifest that the peer made**: by the same config and layers, in a manifest of the client's own making;
- **not supported by the peer**: the client refuses, for the reason it gives, which is quoted below the table;
- —: the command is about something else.

Anything else fails the tests, and so does a store that is not sound afterwards, or an image whose layers are not what its config says.

"""

PULLED: Final = """## Pull

Podman, buildah, Docker and `ctr` without `--all-platforms` take this machine's platform out of an index, and know it by the index's digest too.

"""

PUSHED: Final = """## Push

Podman and buildah keep layers unpacked and pack them anew, and `docker push` writes a schema 2 manifest of its own: what they push is another manifest of the
same image. An image that Docker has pulled it pushes back as it came, layer for layer; the mirror then has one manifest more, and the tag names it.

"""

ALSO: Final = f"""## And besides

Each of these over both doors as well:

- `docker run` of an image that came as a docker archive, was pulled from the mirror and says "{SENTENCE.strip()}";
- `oras push` of a file as an artifact, `oras attach` to it and to an image, `oras discover` by artifact type, `oras pull` of all of them;
- `regctl artifact put --subject`, `artifact list --filter-annotation`, `artifact get --subject`.

What `storectl mirror-config` prints was given to Docker (`registry-mirrors`), containerd (`hosts.toml`), podman, buildah and skopeo (`registries.conf`), and
each of them pulled `docker.io/library/…` through the mirror, with no way to Docker Hub. Of three registries that each have an image of one name, containerd got
from one mirror what it asked for: every request of its said `ns=` (`tests/interop/test_namespaces.py`).

Known of clients: Docker 20.10 cannot unpack zstd layers, wherever they come from. `ctr` takes a registry on the loopback interface for one without TLS unless
hosts.toml says otherwise.
"""


def render(clients: Clients) -> str:
    """The whole document; runs every cell that was not run yet. Raises Disagreement."""
    shop, messages = clients.shop, Messages()
    compared = {
        "Docker Engine": docker.version(shop.docker),
        "podman": shop.podman.version(),
        "buildah": shop.buildah.version(),
        "skopeo": shop.skopeo.version(),
        "containerd": clients.doors[0].containerd.version(),
        "crane": shop.crane.version(),
        **versions(clients.doors[0]),
    }
    said = ", ".join(f"{name} {version}" for name, version in compared.items())
    parts = [HEAD, "<!-- versions -->\n", said, ".\n<!-- end of versions -->\n\n", PULLED]
    rows = [
        [f"`{row.command}`", *(messages.cell(clients.pulled(row, key)) for key in TITLES)]
        for row in PULLS
    ]
    parts += [table(["", *TITLES.values()], rows), "\n", messages.notes(), "\n", PUSHED]
    shown = [key for key in TITLES if any(key in row.subjects for row in PUSHES)]
    rows = [
        [f"`{row.command}`", *(messages.cell(clients.pushed(row, key)) for key in shown)]
        for row in PUSHES
    ]
    parts += [
        table(["", *(TITLES[key] for key in shown)], rows),
        "\n",
        messages.notes(),
        "\n",
        ALSO,
    ]
    return "".join(parts)

"""A generator of docs/clients.md from the results in the matrix of clients."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.support.peers import docker, newer_clients
from tests.support.peers.client_matrix import SENTENCE, TITLES
from tests.support.peers.clients import PULLS, PUSHES, versions
from tests.support.peers.report import Messages, table, versions_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.peers.client_matrix import Clients
    from tests.support.peers.clients import Pull, Push

HEAD: Final = """# Clients of the mirror

This page shows which programs pull from `storectl serve` and push to it. `make interop-table` runs
every cell with the real programs and writes this page; the test suite runs the cells again and
compares. **Every cell was run twice, with the same result: over plain HTTP without a user, and over
TLS as a user of an `--htpasswd` file with `--no-anonymous`.** A cell says how the receiver knows
the image:

- **same manifest digest**: by the digest that the image had at its source, so signatures and pins
  still hold; where the client writes files, every byte was compared;
- **same image ID, in a manifest that the peer made**: by the same config and layers, in a manifest
  that the client wrote;
- **not supported by the peer**: the client refuses; its message is quoted below the table;
- —: the command does not apply.

Any other result fails the tests. So does a store that `fsck` finds damaged afterwards, or an image
whose layers are not those of its config.

"""

PULLED: Final = """## Pull

Podman, buildah, Docker and `ctr` without `--all-platforms` pull this machine's platform of an
index, and know it by the index's digest, too.

"""

PUSHED: Final = """## Push

Podman and buildah keep layers unpacked and pack them again, and `docker push` writes a schema 2
manifest: they push another manifest of the same image. An image that Docker pulled is pushed with
the same layers; the mirror then has one more manifest, and the tag points to it.

"""

ALSO: Final = f"""## More operations

Each of these works over plain HTTP and over TLS as a user:

- `docker run` of an image that was imported from a docker archive and pulled from the mirror;
  the container prints "{SENTENCE.strip()}";
- `oras push` of a file as an artifact, `oras attach` to it and to an image, `oras discover` by
  artifact type, and `oras pull` of all of them;
- `regctl artifact put --subject`, `artifact list --filter-annotation`, `artifact get --subject`.

Docker 20.10 (`registry-mirrors`), Docker 28 and containerd (`hosts.toml`), and podman, buildah and
skopeo (`registries.conf`) were configured with the files of `storectl mirror-config`, also with
`--sealed`. Each of them pulled `docker.io/library/…` through the mirror, without access to Docker
Hub, and all but Docker 20.10 an image of a registry with a port. Where three registries have an
image of the same name, containerd pulled each of them from one mirror: its requests name the
registry with `ns=` (`tests/interop/test_namespaces.py`).

With these files, skopeo, podman, containerd and Docker 20.10 and 28 also pull an index through a
server with `--upstream`, then again while the upstream registry is gone, and a third time from an
offline server whose process cannot open connections (`tests/interop/test_pull_through.py`).

Docker 20.10 cannot unpack zstd layers from any source. `ctr` uses plain HTTP for a registry on the
loopback interface unless hosts.toml says otherwise.

The servers without a user listened on a loopback address. The clients used the names `127.0.0.1`
and `localhost`, which such a server always answers. A client that uses a different name, such as
`host.docker.internal`, is answered with 421 unless the server was started with `--allowed-host`
([why](mirror.md#starting)).
"""


NEWER: Final = """## Newer clients

CI does not build these clients, because that takes long. `make peers` builds them.
`make clients` runs everything below, over plain HTTP and over TLS as a user, and compares this
section; `make clients-table` writes it. Docker Engine 29 is built from its module, whose version is
that of the module.

"""

NEWER_ALSO: Final = """
- Docker 29 loads an image with a BuildKit attestation, and saves it; the mirror imports that
  archive and serves it; Docker 29 pulls it, and loads what `storectl save` writes. Every digest
  stays the same.
- An image and its signature that Docker 29 saves together arrive together: the mirror lists the
  signature among the referrers. The other way, Docker 29 loads what `storectl save --referrers`
  writes, and saves the referrers again, and the referrers of these. If an index lists an
  attestation of an image, Docker 29 keeps only this one and the referrers of it. `ctr images
  import` keeps referrers with `--index-name`, which keeps the list of the archive.
- Docker 29 and containerd 2 pull `docker.io/…` from the mirror with the files of
  `storectl mirror-config`, also with `--sealed`, a login and certificates. `containerd config dump`
  accepts both versions of `config.toml`.
- Docker 28 and 29, each with the image store of containerd and Docker 29 also with overlay2, pull
  through a server with `--upstream` by `hosts.toml` or `registry-mirrors`, and containerd 2 by
  `hosts.toml`; then without the upstream registry, and from a server with `--offline`.
- BuildKit, with the file of `storectl mirror-config buildkit`, builds on an image of `docker.io/…`
  from the mirror, pushes the image with its attestation, which has the image as `subject`, and
  pushes and uses its cache (`--export-cache`, `--import-cache`). The archive of `type=oci` is
  imported.
- `cosign sign`, `verify` and `tree`, `attest` and `verify-attestation`, each with the bundles of
  cosign 3 and with tags (`--new-bundle-format=false`), and `cosign copy` with the signature; with a
  key, and without a log. What `cosign save` writes is imported, and `cosign verify` accepts it from
  the mirror; also after `storectl pull --referrers`, `save` and `import` into another mirror.
- `helm push`, `helm pull` (also of a version range, and of a version with a plus sign),
  `helm show chart` and `helm template` of charts; a chart without a version is the newest one.
  `helm install --dry-run=client` of helm 4 writes what it would install. That of helm 3 pulls the
  chart, and then wants a cluster, which the test lacks.
- These libraries for Python: oras pushes and pulls a file as an artifact, lists tags, reads the
  layers of an image and deletes a tag; python-dxf pushes, aliases, reads and deletes a blob, and
  lists repositories; docker pulls an image, saves it, pushes it under another name and loads it
  again, with Docker 29; docker-registry-client-async pulls the manifest and the layers of an image
  and lists tags.
- Not run by `make clients`: hauler 2 and skopeo 1.22, whose modules Go's module proxy does not
  serve. The tests import archives that these programs wrote (`tests/golden/tools`).
"""

_NEWER: Final = re.compile(
    r"(?<=<!-- newer clients -->\n).*?(?=<!-- end of newer clients -->)", re.DOTALL
)


def with_newer(document: str, section: str) -> str:
    """Return the document with this section of the newer clients."""
    return _NEWER.sub(lambda _: section, document)


def newer(document: str) -> str:
    """Return the section of the newer clients."""
    match = _NEWER.search(document)
    return "" if match is None else match[0]


def render(clients: Clients) -> str:
    """Return the document without the newer clients; run every cell that has not run yet.

    Raises:
        Disagreement: The result of a cell is not an expected result.
    """
    shop, messages = clients.shop, Messages()
    compared = {
        "Docker Engine": docker.version(shop.docker),
        "podman": shop.podman.version(),
        "buildah": shop.buildah.version(),
        "skopeo": shop.skopeo.version(),
        "containerd": clients.endpoints[0].containerd.version(),
        "crane": shop.crane.version(),
        **versions(clients.endpoints[0]),
    }
    return "".join(
        [
            HEAD,
            versions_line(compared),
            PULLED,
            _pulled(clients, PULLS, messages),
            "\n",
            PUSHED,
            _pushed(clients, PUSHES, messages),
            "\n",
            ALSO,
            "\n<!-- newer clients -->\n<!-- end of newer clients -->\n",
        ]
    )


def render_newer(clients: Clients) -> str:
    """Return the section of the newer clients; run every cell that has not run.

    Raises:
        Disagreement: The result of a cell is not an expected result.
    """
    messages = Messages()
    compared = newer_clients.versions(clients.shop, clients.endpoints[0])
    return "".join(
        [
            NEWER,
            versions_line(compared),
            _pulled(clients, newer_clients.PULLS, messages),
            "\n",
            _pushed(clients, newer_clients.PUSHES, messages),
            NEWER_ALSO,
        ]
    )


def _pulled(clients: Clients, commands: Sequence[Pull], messages: Messages) -> str:
    rows = [
        [f"`{row.command}`", *(messages.cell(clients.pulled(row, key)) for key in TITLES)]
        for row in commands
    ]
    return _with_notes(table(["", *TITLES.values()], rows), messages)


def _pushed(clients: Clients, commands: Sequence[Push], messages: Messages) -> str:
    shown = [key for key in TITLES if any(key in row.subjects for row in commands)]
    rows = [
        [f"`{row.command}`", *(messages.cell(clients.pushed(row, key)) for key in shown)]
        for row in commands
    ]
    return _with_notes(table(["", *(TITLES[key] for key in shown)], rows), messages)


def _with_notes(text: str, messages: Messages) -> str:
    notes = messages.notes()
    return f"{text}\n{notes}" if notes else text

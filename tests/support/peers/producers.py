"""Every command by which a peer writes images to files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from tests.support.peers import docker
from tests.support.peers.process import PeerRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.support.peers.subjects import Part
    from tests.support.peers.workshop import Workshop


@final
@dataclass(frozen=True)
class WrittenArchive:
    """The file or folder that a peer wrote.

    ``root`` and ``image`` are the new digests of a part that the peer changed, otherwise None.
    """

    path: Path
    root: str | None = None
    image: str | None = None


@final
@dataclass(frozen=True)
class Producer:
    """A command that writes some ``subjects``, with its row in the table of docs/interop.md.

    ``make`` writes one part, or several parts if ``together`` is set. It may raise PeerRefusal.
    """

    peer: str
    command: str
    make: Callable[[Workshop, Sequence[Part], Path], WrittenArchive]
    together: bool = False
    subjects: frozenset[str] = frozenset({"image", "images", "index", "referrers"})


ONE: Final = frozenset({"image"})
INDEX: Final = frozenset({"index"})


def _docker_save(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
    shop.docker.clear()
    for part in parts:
        docker.pull(shop.docker, shop.seeded(part), part.name)
    out.write_bytes(shop.docker.save([part.name for part in parts]))
    return WrittenArchive(out)


def _transport(kind: str, out: Path, part: Part) -> str:
    name = {"dir": "", "oci": f":{part.tag}"}.get(kind, f":{part.name}")
    return f"{kind}:{out}{name}"


def _skopeo_copy(kind: str) -> Callable[[Workshop, Sequence[Part], Path], WrittenArchive]:
    def make(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
        shop.skopeo.copy(shop.oci(parts[0]), _transport(kind, out, parts[0]), everything=True)
        return WrittenArchive(out)

    return make


def _podman_save(*options: str) -> Callable[[Workshop, Sequence[Part], Path], WrittenArchive]:
    def make(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
        shop.podman.clear()
        for part in parts:
            shop.podman.run(
                "tag",
                shop.podman.run("pull", "--quiet", shop.oci(part)).strip(),
                f"docker.io/{part.name}",
            )
        shop.podman.run(
            "save", "--quiet", *options, "--output", out, *(part.name for part in parts)
        )
        return WrittenArchive(out)

    return make


def _buildah_push(kind: str) -> Callable[[Workshop, Sequence[Part], Path], WrittenArchive]:
    def make(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
        shop.buildah.clear()
        image = shop.buildah.run("pull", "--quiet", shop.oci(parts[0])).strip()
        shop.buildah.run("push", "--quiet", image, _transport(kind, out, parts[0]))
        return WrittenArchive(out)

    return make


def _buildah_manifest(kind: str) -> Callable[[Workshop, Sequence[Part], Path], WrittenArchive]:
    def make(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
        shop.buildah.clear()
        written = shop.fresh("digest")
        shop.buildah.run("manifest", "create", "list")
        shop.buildah.run("manifest", "add", "--all", "list", shop.oci(parts[0]))
        shop.buildah.run(
            "manifest",
            "push",
            "--quiet",
            "--all",
            "--digestfile",
            written,
            "list",
            _transport(kind, out, parts[0]),
        )
        if not out.exists():
            raise PeerRefusal(
                ["buildah", "manifest", "push"], "ended without a word, and without a file"
            )
        return WrittenArchive(out, root=written.read_text().strip())

    return make


def _ctr_export(*options: str) -> Callable[[Workshop, Sequence[Part], Path], WrittenArchive]:
    def make(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
        shop.containerd.clear()
        for part in parts:
            archive = shop.fresh("part.tar")
            archive.write_bytes(part.layout.tar())
            shop.containerd.import_archive(archive, "--all-platforms", "--no-unpack")
        shop.containerd.run(
            "images", "export", *options, out, *(f"docker.io/{part.name}" for part in parts)
        )
        return WrittenArchive(out)

    return make


def _crane_pull(*options: str) -> Callable[[Workshop, Sequence[Part], Path], WrittenArchive]:
    def make(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
        shop.crane.run("pull", *options, *map(shop.seeded, parts), out)
        return WrittenArchive(out)

    return make


def _crane_append(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
    target = f"{shop.registry.host}/matrix/appended:1"
    name = shop.crane.run(
        "index", "append", "--manifest", shop.seeded(parts[0]), "--flatten", "--tag", target
    ).strip()
    shop.crane.run("pull", "--format=oci", "--annotate-ref", name, out)
    return WrittenArchive(out, root=name.partition("@")[2])


def _umoci_tag(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
    # umoci reads only an annotation that skopeo's copy of the layout has.
    shop.skopeo.copy(shop.oci(parts[0]), f"oci:{out}:made", everything=True)
    shop.umoci.run("tag", "--image", f"{out}:made", parts[0].tag)
    shop.umoci.run("remove", "--image", f"{out}:made")
    return WrittenArchive(out)


def _umoci_insert(shop: Workshop, parts: Sequence[Part], out: Path) -> WrittenArchive:
    shop.skopeo.copy(shop.oci(parts[0]), f"oci:{out}:{parts[0].tag}", everything=True)
    file = shop.fresh("file")
    file.write_text("inserted\n")
    shop.umoci.run("insert", "--image", f"{out}:{parts[0].tag}", file, "/inserted")
    index = json.loads((out / "index.json").read_text())
    (root,) = (link["digest"] for link in index["manifests"])
    manifest = (out / "blobs" / root.replace(":", "/")).read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == root.partition(":")[2]
    return WrittenArchive(out, root=root, image=json.loads(manifest)["config"]["digest"])


PRODUCERS: Final = (
    Producer("Docker", "docker save", _docker_save, together=True),
    *(
        Producer("skopeo", f"skopeo copy --all … {kind}:", _skopeo_copy(kind))
        for kind in ("docker-archive", "oci-archive", "oci", "dir")
    ),
    Producer("podman", "podman save", _podman_save()),
    Producer("podman", "podman save -m", _podman_save("--multi-image-archive"), together=True),
    *(
        Producer("podman", f"podman save --format {form}", _podman_save("--format", form))
        for form in ("oci-archive", "oci-dir", "docker-dir")
    ),
    *(
        Producer("buildah", f"buildah push … {kind}:", _buildah_push(kind))
        for kind in ("docker-archive", "oci-archive", "oci", "dir")
    ),
    *(
        Producer(
            "buildah",
            f"buildah manifest push --all … {kind}:",
            _buildah_manifest(kind),
            subjects=INDEX,
        )
        for kind in ("docker-archive", "oci-archive", "oci", "dir")
    ),
    Producer("umoci", "umoci tag", _umoci_tag),
    Producer("umoci", "umoci insert", _umoci_insert, subjects=ONE),
    Producer("containerd", "ctr images export", _ctr_export(), together=True),
    Producer(
        "containerd",
        "ctr images export --skip-manifest-json",
        _ctr_export("--skip-manifest-json"),
        together=True,
    ),
    Producer(
        "containerd",
        "ctr images export --all-platforms",
        _ctr_export("--all-platforms"),
        together=True,
        subjects=INDEX,
    ),
    *(
        Producer(
            "crane",
            f"crane pull --format={form}",
            _crane_pull(f"--format={form}"),
            together=form != "legacy",
        )
        for form in ("tarball", "legacy", "oci")
    ),
    Producer(
        "crane",
        "crane pull --format=oci --annotate-ref",
        _crane_pull("--format=oci", "--annotate-ref"),
        together=True,
    ),
    Producer(
        "crane",
        "crane index append, crane pull --format=oci --annotate-ref",
        _crane_append,
        subjects=INDEX,
    ),
)

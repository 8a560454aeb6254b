"""Docker 29 saves what storectl imports and serves, with attestations and referrers."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from exporter import SaveOptions, open_save
from exporter.options import Format
from store import Store
from store.formats.image.layout_names import SUBJECT
from store.model.digests import Digest
from store.model.references import Repository
from store.registry.registry import Registry
from tests.support.engine import Engine, program, require
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.peers import docker
from tests.support.peers.clients import docker_pull
from tests.support.peers.mirror_config import configure, program_with
from tests.support.peers.mirror_endpoint import PASSWORD, USER
from tests.support.peers.subjects import Part

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.client_matrix import Clients
    from tests.support.peers.mirror_endpoint import Endpoint

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("newer-clients")]

IN_TOTO = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@pytest.fixture(autouse=True)
def installed() -> None:
    require("dockerd-29", "containerd", "unshare")


def attested(layout: Layout) -> dict[str, Any]:
    """Add an index with an image and its attestation, as BuildKit makes it."""
    image = layout.image(gzip(A), gzip(B), config={"config": {"Cmd": ["/a"]}})
    statement = json.dumps({"_type": "https://in-toto.io/Statement/v0.1"}).encode()
    attestation = layout.artifact(statement, artifact_type=IN_TOTO)
    attestation |= {
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image["digest"],
        },
    }
    return layout.index(image, attestation)


def part_of(layout: Layout, root: dict[str, Any], name: str) -> Part:
    layout.root(root, f"docker.io/{name}")
    repository, _, tag = name.rpartition(":")
    return Part(repository, tag, root["digest"], None, layout)


@pytest.mark.parametrize("archive_format", list(Format)[1:])
def test_an_image_with_an_attestation_keeps_its_digest_on_the_way(
    archive_format: Format, clients: Clients, endpoint: Endpoint, tmp_path: Path
) -> None:
    layout = Layout()
    part = part_of(
        layout, attested(layout), f"attested/{archive_format.value}-{endpoint.title[0].lower()}:1"
    )
    engine = clients.shop.docker_29
    engine.clear()
    assert not [said for said in engine.load(layout.tar()) if "error" in said]
    saved = engine.save([part.name])
    for blob in layout.blobs:
        assert blob.removeprefix("sha256:").encode() in saved
    # Docker saves, storectl imports and serves, Docker pulls.
    endpoint.import_archive(saved)
    assert part.root in docker_pull(engine, endpoint, part)
    # storectl saves, Docker loads.
    ours = tmp_path / "ours.tar"
    with (
        Store.open(endpoint.mirror.root) as store,
        open_save(store, [part.name], options=SaveOptions(archive_format)) as export,
        ours.open("wb") as file,
    ):
        export.write(file)
    engine.clear()
    docker.load(engine, ours.read_bytes())
    assert part.root in str(engine.inspect(part.name))


def test_a_referrer_that_docker_saves_arrives_with_its_image(
    clients: Clients, endpoint: Endpoint
) -> None:
    layout = Layout()
    image = layout.image(gzip(A), gzip(B), config={"config": {"Cmd": ["/a"]}})
    part = part_of(layout, image, f"referred/{endpoint.title[0].lower()}:1")
    signature = layout.artifact(b"signed", subject=image, artifact_type=BUNDLE)
    # Docker 29 finds a referrer in an archive by this annotation alone.
    layout.root(signature, **{SUBJECT: image["digest"]})
    engine = clients.shop.docker_29
    engine.clear()
    docker.load(engine, layout.tar())
    endpoint.import_archive(engine.save([part.name]))
    with Store.open(endpoint.mirror.root) as store:
        repository = Repository.parse(f"docker.io/{part.repository}")
        found = Registry(store).referrers(
            repository, Digest.parse(image["digest"]), artifact_type=None, after="", limit=10
        )
    assert [str(one.digest) for one in found] == [signature["digest"]]


@pytest.mark.parametrize("archive_format", list(Format)[1:])
def test_docker_keeps_the_referrers_that_storectl_saves(
    archive_format: Format, clients: Clients, endpoint: Endpoint, tmp_path: Path
) -> None:
    layout = Layout()
    suffix = f"{archive_format.value}-{endpoint.title[0].lower()}:1"
    plain = layout.image(gzip(B), config={"config": {"Cmd": ["/b"]}})
    both = attested(layout)
    image, attestation = json.loads(layout.blobs[both["digest"]])["manifests"]
    parts = [
        part_of(layout, layout.index(plain), f"kept/plain-{suffix}"),
        part_of(layout, both, f"kept/attested-{suffix}"),
    ]
    signed = layout.root(layout.artifact(b"signed", subject=plain, artifact_type=BUNDLE))
    stamped = layout.root(layout.artifact(b"stamped", subject=signed, artifact_type=BUNDLE))
    vouched = layout.root(layout.artifact(b"vouched", subject=attestation, artifact_type=BUNDLE))
    # Docker keeps no other referrer of an image if an index lists an attestation of the image.
    layout.root(layout.artifact(b"lost", subject=image, artifact_type=BUNDLE))
    endpoint.import_archive(layout.tar())
    ours = tmp_path / "ours.tar"
    names = [part.name for part in parts]
    with (
        Store.open(endpoint.mirror.root) as store,
        open_save(store, names, options=SaveOptions(archive_format, referrers=True)) as export,
        ours.open("wb") as file,
    ):
        export.write(file)
    engine = clients.shop.docker_29
    engine.clear()
    docker.load(engine, ours.read_bytes())
    # Docker makes no image without a name of a referrer.
    images = json.loads(engine.request("GET", "/images/json")[1])
    assert sorted(name for one in images for name in one["RepoTags"]) == sorted(names)
    with tarfile.open(fileobj=io.BytesIO(engine.save(names))) as saved:
        index = saved.extractfile("index.json")
        assert index is not None
        listed = json.load(index)["manifests"]
    assert {one["digest"]: one["annotations"].get(SUBJECT) for one in listed} == {
        **{part.root: None for part in parts},
        signed["digest"]: plain["digest"],
        stamped["digest"]: signed["digest"],
        vouched["digest"]: attestation["digest"],
    }


@pytest.mark.parametrize("sealed", [(), ("--sealed",)])
def test_docker_reads_the_files_of_mirror_config(
    sealed: tuple[str, ...], clients: Clients, endpoint: Endpoint
) -> None:
    scheme = "https" if endpoint.tls else "http"
    login = ("--ca", str(endpoint.authority), "--user", USER, "--password-stdin")
    host = configure(
        endpoint.fresh("host"),
        "docker",
        f"{scheme}://{endpoint.host}",
        *(login if endpoint.tls else ()),
        "--client-version",
        "29.1",
        *sealed,
        stdin=f"{PASSWORD}\n",
    )
    started = program_with(
        host / "etc/docker", "/etc/docker", program("dockerd-29"), endpoint.fresh("bin").parent
    )
    with Engine(
        clients.shop.folder / f"29-{endpoint.title[0]}-{len(sealed)}",
        name=started,
        version="29",
        drivers=("overlayfs", "native"),
        options=("--feature=containerd-snapshotter=true",),
    ) as engine:
        docker.pull(engine, "docker.io/matrix/index:1", "pulled:1")
        (index,) = clients.parts("index")
        assert index.root in str(engine.inspect("pulled:1"))

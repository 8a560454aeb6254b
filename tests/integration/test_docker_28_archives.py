"""Archives in the format of Docker 28."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter import Format
from tests.support.images import A, Archive, B, config
from tests.support.layouts import (
    digest,
)

if TYPE_CHECKING:
    from store import Store
from tests.support.saved_layouts import (
    AMD64,
    ARM64,
    S390X,
    Sample,
    compact,
    files,
    import_into,
    listed,
    save,
)


@pytest.fixture
def sample(store: Store) -> Sample:
    made = Sample()
    import_into(store, made.layout)
    return made


def octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def docker_28_entry(name: str, data: bytes | None) -> bytes:
    """Return a tar member as docs/formats/docker-archive.md §9 describes it.

    The member's time is the epoch, the owner has no name, and the mode has no type bits.
    """
    mode, size, flag = (0o755, 0, b"5") if data is None else (0o644, len(data), b"0")
    fields = [
        name.encode().ljust(100, b"\0"), octal(mode, 8), octal(0, 8), octal(0, 8),
        octal(size, 12), octal(0, 12), b" " * 8, flag, bytes(100),
        b"ustar\x0000", bytes(64), octal(0, 8), octal(0, 8), bytes(167),
    ]  # fmt: skip
    header = bytearray(b"".join(fields))
    assert len(header) == 512
    header[148:156] = b"%06o\0 " % sum(header)
    body = data or b""
    return bytes(header) + body + bytes(-len(body) % 512)


EMPTY_CONFIG = (
    '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,'
    '"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}'
)


V2 = compact(
    {
        "created": None,
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [digest(A), digest(B)]},
    }
)


V2_BOTTOM = "a309493ca6907b37c6e09c91b459c9ceedf51e26889c4000b14455d6d31dcc27"


V2_CHAIN = "sha256:a4fb8770795237c59e7d7567eca5600337bbadc0a22e06e220c0d0cffcdb1b02"


def test_an_image_without_a_manifest_comes_out_as_docker_28_writes_it(store: Store) -> None:
    # Vector V2 of docs/formats/docker-archive.md §11, whose lowest v1 ID a real daemon confirmed;
    # the other values follow from the text of §9.
    import_into(
        store,
        Archive()
        .file("a", A)
        .file("b", B)
        .file("c", V2)
        .manifest({"Config": "c", "RepoTags": ["v/two:1", "v/two:2"], "Layers": ["a", "b"]}),
    )
    manifest = compact(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(V2),
                "size": len(V2),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": digest(one),
                    "size": len(one),
                }
                for one in (A, B)
            ],
        }
    )
    v1_bottom = (
        f'{{"id":"{V2_BOTTOM}","created":"1970-01-01T00:00:00Z",'
        f'"container_config":{EMPTY_CONFIG},"os":"linux"}}'
    ).encode()
    # §9: `created` is null when the config has none, and it is part of the text of §2 that the ID
    # hashes.
    hashed = (
        f'{{"container_config":{EMPTY_CONFIG},"created":null,"layer_id":"{V2_CHAIN}",'
        f'"os":"linux","parent":"sha256:{V2_BOTTOM}"}}'
    )
    v1_id = digest(hashed.encode()).removeprefix("sha256:")
    v1_top = (
        f'{{"id":"{v1_id}","parent":"{V2_BOTTOM}","created":null,'
        f'"container_config":{EMPTY_CONFIG},"os":"linux"}}'
    ).encode()
    sources = {
        digest(one): {
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "size": len(one),
            "digest": digest(one),
        }
        for one in (A, B)
    }
    item = {
        "Config": f"blobs/sha256/{digest(V2)[7:]}",
        "RepoTags": ["v/two:1", "v/two:2"],
        "Layers": [f"blobs/sha256/{digest(one)[7:]}" for one in (A, B)],
        "LayerSources": {key: sources[key] for key in sorted(sources)},
    }
    described = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(manifest),
        "size": len(manifest),
    }
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            described
            | {
                "annotations": {
                    "io.containerd.image.name": f"docker.io/v/two:{tag}",
                    "org.opencontainers.image.ref.name": tag,
                }
            }
            for tag in "12"
        ],
    }
    top = digest(B)[7:]
    inside = {
        f"blobs/sha256/{digest(data)[7:]}": data for data in (A, B, V2, manifest, v1_bottom, v1_top)
    }
    last = {
        "index.json": compact(index),
        "manifest.json": compact([item]) + b"\n",
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "repositories": compact({"v/two": {"1": top, "2": top}}) + b"\n",
    }
    expected = docker_28_entry("blobs/", None) + docker_28_entry("blobs/sha256/", None)
    expected += b"".join(docker_28_entry(name, inside[name]) for name in sorted(inside))
    expected += b"".join(docker_28_entry(name, data) for name, data in last.items()) + bytes(1024)
    assert files(archive := save(store, "v/two", format=Format.DOCKER)) == {**inside, **last}
    assert archive == expected


def test_parents_foreign_layers_and_images_without_a_tag_in_a_docker_archive(store: Store) -> None:
    base, child = config(A), config(A, B, config={"Labels": {"child": "yes"}})
    source = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "size": 9,
        "digest": digest(b"x"),
        "urls": ["https://example.org/a"],
    }
    archive = Archive().file("a", A).file("b", B).file("base", base).file("child", child)
    archive.manifest(
        {"Config": "base", "RepoTags": None, "Layers": ["a"], "LayerSources": {digest(A): source}},
        {"Config": "child", "RepoTags": ["child:1"], "Layers": ["a", "b"], "Parent": digest(base)},
    )
    import_into(store, archive)
    saved = save(store, "child:1", digest(base), format=Format.DOCKER)
    items = json.loads(files(saved)["manifest.json"])
    assert [one["RepoTags"] for one in items] == [["child:1"], None]
    assert [one.get("Parent") for one in items] == [digest(base), None]
    assert items[0]["LayerSources"][digest(A)] != source
    assert items[1]["LayerSources"][digest(A)] == source
    assert "annotations" not in listed(saved)[1]
    assert "repositories" not in files(save(store, digest(base), format=Format.DOCKER))
    assert (
        "Parent"
        not in json.loads(files(save(store, "child:1", format=Format.DOCKER))["manifest.json"])[0]
    )


def test_manifest_json_describes_the_requested_platform(store: Store, sample: Sample) -> None:
    for machine, image in ((AMD64, sample.amd64), (ARM64, sample.arm64)):
        found = files(save(store, "team/app:1", format=Format.DOCKER, machine=machine))
        manifest = json.loads(sample.layout.blobs[image["digest"]])
        (item,) = json.loads(found["manifest.json"])
        assert item["Config"] == f"blobs/sha256/{manifest['config']['digest'][7:]}"
        assert item["Layers"] == [f"blobs/sha256/{one['digest'][7:]}" for one in manifest["layers"]]
        assert all(path in found for path in (item["Config"], *item["Layers"]))
        assert item["RepoTags"] == ["team/app:1"]
    notes: list[str] = []
    archive = save(store, "team/app:1", format=Format.DOCKER, machine=S390X, notes=notes)
    # Like `history` and `inspect`: the first image, if this machine has none.
    (first,) = json.loads(files(archive)["manifest.json"])
    (item,) = json.loads(files(save(store, "team/app:1", format=Format.DOCKER))["manifest.json"])
    assert first == item


def test_an_artifact_goes_into_a_docker_archive(store: Store, sample: Sample) -> None:
    archive = save(store, sample.signature["digest"], format=Format.DOCKER)
    assert files(archive)["manifest.json"] == b"null\n"
    assert [one["digest"] for one in listed(archive)] == [sample.signature["digest"]]

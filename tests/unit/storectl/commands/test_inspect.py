"""`inspect`: Docker's fields, followed by additional fields of storectl."""

from __future__ import annotations

from typing import Any

from store import errors
from store.model.digests import ChainID
from tests.support.fake_shell import (
    DIFFS,
    MANIFEST,
    PRESENT,
    TWO,
    FakeStore,
    Shell,
    as_json,
    image_details,
)

DOCKERS_KEYS = [
    "Id",
    "RepoTags",
    "RepoDigests",
    "Parent",
    "Comment",
    "Created",
    "Container",
    "ContainerConfig",
    "DockerVersion",
    "Author",
    "Config",
    "Architecture",
    "Variant",
    "Os",
    "OsVersion",
    "Size",
    "VirtualSize",
    "RootFS",
    "Metadata",
]


def test_dockers_fields_come_first_in_their_order(shell: Shell, fake: FakeStore) -> None:
    members: dict[str, Any] = {
        "variant": "v8",
        "os.version": "10.0",
        "config": {"Env": ["A=1"], "ExposedPorts": {"80/tcp": {}}},
        "created": "2020-01-01T00:00:00.5+01:00",
    }
    fake.answers["inspect"] = image_details(parent=TWO, **members)
    (shown,) = as_json(shell("inspect", "x:1"))
    assert list(shown) == [*DOCKERS_KEYS, "Layers", "Manifests", "Children"]
    assert shown["RepoTags"] == ["x:2", "x:1", "y:1"]
    assert shown["RepoDigests"] == [f"{name}@{MANIFEST}" for name in ("x", "y", "z")]
    assert shown["Parent"] == str(TWO)
    assert shown["Created"] == "2020-01-01T00:00:00.5+01:00"
    assert shown["Config"]["Env"] == ["A=1"]
    assert shown["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert list(shown["Config"])[:3] == ["Hostname", "Domainname", "User"]
    assert shown["Size"] == shown["VirtualSize"] == 4096
    assert shown["Metadata"] == {"LastTagTime": "2026-01-02T03:04:05Z"}
    assert shown["Layers"][1] == {
        "DiffID": str(DIFFS[1]),
        "ChainID": str(ChainID.of(DIFFS)),
        "Size": 2048,
        "State": "present",
        "Blobs": [{"Digest": str(PRESENT), "Codec": "zstd", "Size": 55, "Seekable": True}],
        "URLs": ["https://example.com/layer"],
    }
    assert shown["Manifests"] == [
        {
            "Digest": str(MANIFEST),
            "MediaType": "application/vnd.oci.image.manifest.v1+json",
            "Size": 99,
            "Deterministic": True,
        }
    ]
    assert shown["Children"] == [str(TWO)]


def test_fields_that_docker_leaves_out_when_empty_are_left_out(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["inspect"] = image_details(layers=0, last_tagged=None)
    (shown,) = as_json(shell("inspect", "--json", "x:1"))
    assert [key for key in DOCKERS_KEYS if key not in shown] == ["Variant", "OsVersion"]
    assert shown["Config"] is None
    assert shown["ContainerConfig"]["Env"] is None
    assert shown["Parent"] == ""
    assert shown["RootFS"] == {"Type": "layers"}
    assert shown["Metadata"] == {"LastTagTime": "0001-01-01T00:00:00Z"}


def test_the_comment_of_the_last_step_stands_in_and_templates_print_a_line(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["inspect"] = image_details(history=[{"comment": "first"}, {"comment": "las\x1bt"}])
    assert shell("inspect", "-f", "{{.Comment}}\t{{len .RepoTags}}", "x:1") == "las\\x1bt\t3\n"
    shell("inspect", "-f", "{{.Comment}}", "--json", "x:1", code=2)


def test_an_unknown_name_does_not_hide_the_known_ones(shell: Shell, fake: FakeStore) -> None:
    fake.answers["inspect"] = {"x": image_details(), "y": errors.ImageNotFound("No such image: y")}
    fake.answers["inspect_manifest"] = errors.ImageNotFound("No such image: y")
    assert len(as_json(shell("inspect", "y", "x", code=3))) == 1
    assert as_json(shell("inspect", "y", code=3)) == []


def test_format_json_is_one_line_with_the_whole_document(shell: Shell, fake: FakeStore) -> None:
    fake.answers["inspect"] = image_details()
    documents = as_json(shell("inspect", "x:1"))
    shown = shell("inspect", "--format", "json", "x:1")
    assert shown.count("\n") == 1
    assert as_json(shown) == documents
    assert as_json(shell("inspect", "--format", "{{json .}}", "x:1")) == documents[0]
    assert shell("inspect", "-f", "{{range .RepoTags}}{{.}};{{end}}", "x:1") == "x:2;x:1;y:1;\n"
    shell("inspect", "-f", "{{.RepoTags", "x:1", code=2)
    assert "line 1, column 1: the action" in shell.err

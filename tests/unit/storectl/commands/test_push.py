"""`push`: what arrives, what is printed, and what is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import A, B
from tests.support.layouts import Layout, foreign, gzip, plain
from tests.support.other_registry import OtherRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OtherRegistry]:
    with OtherRegistry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def layout() -> Layout:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    layout.root(layout.index(amd64, arm64), "docker.io/team/app:1", "docker.io/team/app:latest")
    layout.root(layout.image(gzip(B)), "docker.io/team/app:2")
    layout.root(layout.index(amd64, layout.absent()), "docker.io/team/sparse:1")
    layout.root(
        layout.image(foreign(plain(A), "https://layers.example/a"), gzip(B)),
        "docker.io/team/windows:1",
    )
    return layout


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], layout: Layout) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    archive = tmp_path / "app.tar"
    archive.write_bytes(layout.tar())
    runner("import", str(archive))
    return runner


def test_the_words_are_those_of_docker(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    first = storectl("push", "team/app:1", f"{registry.host}/mine/app:1")
    second = storectl("push", "team/app:1", f"{registry.host}/mine/app:1")

    root = layout.roots[0]
    head, *blobs, last = first.splitlines()
    assert head == f"The push refers to repository [{registry.host}/mine/app]"
    assert all(re.fullmatch(r"[0-9a-f]{12}: Pushed", line) for line in blobs)
    assert last == f"1: digest: {root['digest']} size: {root['size']}"
    assert {line.partition(": ")[2] for line in second.splitlines()[1:-1]} == {
        "Layer already exists"
    }
    assert second.splitlines()[-1] == last
    assert registry.digest("mine/app", "1") == root["digest"]


def test_without_a_destination_the_name_says_where(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    name = f"{registry.host}/mine/app:7"
    storectl("tag", "team/app:2", name)

    storectl("push", name)

    assert registry.digest("mine/app", "7") == layout.roots[2]["digest"]


def test_without_a_tag_the_tag_latest_is_pushed(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    out = storectl("push", "team/app", f"{registry.host}/mine/app")

    assert out.splitlines()[0] == "Using default tag: latest"
    assert registry.digest("mine/app", "latest") == layout.roots[0]["digest"]
    assert registry.digest("mine/app", "1") is None


def test_all_tags_of_a_repository_are_pushed(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    storectl("push", "--all-tags", "team/app", f"{registry.host}/mine/app")

    pushed = {tag: registry.digest("mine/app", tag) for tag in ("1", "2", "latest")}
    assert pushed == {
        "1": layout.roots[0]["digest"],
        "2": layout.roots[2]["digest"],
        "latest": layout.roots[0]["digest"],
    }
    assert storectl.attempt("push", "-a", "team/app:1", f"{registry.host}/mine/app") == 4
    assert "for all tags" in storectl.err
    assert storectl.attempt("push", "-a", "team/app", f"{registry.host}/mine/app:1") == 4


def test_a_destination_by_digest_gets_no_tag(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    digest = layout.roots[0]["digest"]

    storectl("push", "team/app:1", f"{registry.host}/mine/app@{digest}")

    assert registry.digest("mine/app", digest) == digest
    assert storectl.attempt("push", "team/app:2", f"{registry.host}/mine/app@{digest}") == 4
    assert "its digest is" in storectl.err


def test_one_platform_is_pushed_without_its_index(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    storectl("push", "--platform", "linux/arm64", "team/app:1", f"{registry.host}/mine/app:arm")

    assert registry.digest("mine/app", "arm") in layout.blobs
    assert registry.digest("mine/app", layout.roots[0]["digest"]) is None


def test_a_sparse_index_is_refused_unless_it_is_asked_for(
    storectl: Runner, registry: OtherRegistry, layout: Layout
) -> None:
    target = f"{registry.host}/mine/sparse:1"
    assert storectl.attempt("push", "team/sparse:1", target) == ExitCode.CONFLICT
    assert registry.digest("mine/sparse", "1") is None

    storectl("push", "--sparse", "team/sparse:1", target)

    assert registry.digest("mine/sparse", "1") == layout.roots[3]["digest"]


def test_json_says_what_was_sent(storectl: Runner, registry: OtherRegistry, layout: Layout) -> None:
    target = f"{registry.host}/mine/app:1"
    planned = storectl.json("push", "--dry-run", "team/app:1", target)
    assert registry.digest("mine/app", "1") is None
    done = storectl.json("push", "team/app:1", target)
    again = storectl.json("push", "team/app:1", target)

    assert planned["DryRun"]
    assert planned["Tags"] == done["Tags"]
    assert planned["MovedTags"] == ["1"]
    assert done["Blobs"]["Missing"] == []
    assert sorted(planned["Blobs"]["Missing"]) == sorted(done["Blobs"]["Sent"])
    assert planned["Blobs"]["MissingBytes"] == done["Blobs"]["SentBytes"]
    assert done["Destination"] == target
    assert done["Digest"] == layout.roots[0]["digest"]
    assert done["Tags"] == {"1": layout.roots[0]["digest"]}
    assert done["MovedTags"] == ["1"]
    assert again["MovedTags"] == []
    assert again["Blobs"]["SentBytes"] == 0
    assert sorted(again["Blobs"]["Held"]) == sorted(done["Blobs"]["Sent"])


def test_a_dry_run_says_what_would_be_sent(storectl: Runner, registry: OtherRegistry) -> None:
    target = f"{registry.host}/mine/app:1"
    before = storectl("push", "--dry-run", "team/app:1", target)
    assert storectl("events", "--filter", "event=save", "--json") == "[]\n"
    storectl("push", "team/app:1", target)
    assert f'{target}"' in storectl("events", "--filter", "event=save", "--json")
    after = storectl("push", "--dry-run", "team/app:1", target)

    assert re.fullmatch(
        rf"would send 4 blobs \(\S+\) and 2 manifests to {target}, and set 1\n", before
    )
    assert after == f"{target} has everything: nothing would be sent\n"


def test_quiet_prints_the_name_and_the_file_has_the_digest(
    storectl: Runner, registry: OtherRegistry, layout: Layout, tmp_path: Path
) -> None:
    target, file = f"{registry.host}/mine/app:1", tmp_path / "digest"

    out = storectl("push", "-q", "--digest-file", str(file), "team/app:1", target)

    assert out == f"{target}\n"
    assert file.read_text() == layout.roots[0]["digest"]


def test_foreign_layers_stay_where_they_are(storectl: Runner, registry: OtherRegistry) -> None:
    storectl.attempt("push", "team/windows:1", f"{registry.host}/mine/windows:1")

    assert "foreign layer" in storectl.err
    assert "--foreign-layers" in storectl.err
    assert registry.digest("mine/windows", "1") is not None


def test_an_id_needs_a_destination(storectl: Runner) -> None:
    (image,) = storectl.json("images", "team/app:2")
    assert storectl.attempt("push", image["Id"]) == ExitCode.INVALID_INPUT
    assert "name the destination" in storectl.err


def test_an_unknown_image_is_not_found_and_similar_names_are_told(
    storectl: Runner, registry: OtherRegistry
) -> None:
    target = f"{registry.host}/mine/app:1"
    assert storectl.attempt("push", "team/app:3", target) == ExitCode.NOT_FOUND
    assert "hint:" in storectl.err


@pytest.mark.parametrize(
    "options",
    [
        ("--all-platforms", "--platform", "linux/amd64"),
        ("--all-platforms", "--sparse"),
        ("--platform", "linux/amd64", "--platform", "linux/arm64"),
    ],
    ids=["all and one", "all and sparse", "two without an index"],
)
def test_options_that_contradict_each_other_are_wrong_usage(
    storectl: Runner, options: tuple[str, ...]
) -> None:
    assert storectl.attempt("push", *options, "team/app:1", "x.example/a:1") == ExitCode.USAGE


def test_a_registry_that_cannot_be_reached_is_one_line(storectl: Runner) -> None:
    code = storectl.attempt("push", "--json", "team/app:1", "127.0.0.1:1/mine/app:1")
    error = json.loads(storectl.err)
    assert code == ExitCode.REGISTRY_UNAVAILABLE
    assert "127.0.0.1:1/mine/app" in error["Error"]

"""Sync files of regsync."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.sync.files.recognition import read_sync_file
from remote.sync.sources import USUAL, Parts
from store.errors import InvalidInput
from store.model.platforms import Platform
from tests.support.syncs import read

WHOLE = """
version: 1
x-note: &pace {interval: 60m}
creds:
  - registry: registry.example:5000
    user: '{{env "HUB_USER"}}'
    pass: '{{ env "HUB_TOKEN" }}'
    tls: disabled
  - registry: docker.io
    tls: insecure
defaults:
  ratelimit: {min: 100, retry: 15m}
  parallel: 2
  interval: 60m
sync:
  - source: busybox:latest
    target: registry.example:5000/library/busybox:new
    type: image
    platform: linux/amd64
    <<: *pace
  - source: quay.io/team/app
    target: registry.example:5000/team/app
    type: repository
    tags:
      allow: ["v\\\\d+.*", latest]
      deny: [".*-rc"]
      semverRange: ">=1"
    referrers: true
  - source: quay.io/team/app@sha256:{digest}
    target: registry.example:5000/team/app:pinned
    type: image
""".replace("{digest}", "a" * 64)
ENVIRONMENT = {"HUB_USER": "me", "HUB_TOKEN": "secret"}


def test_a_file_says_what_is_copied() -> None:
    file = read_sync_file(WHOLE, "FILE", "test", Path(), ENVIRONMENT)
    busybox, app, pinned = file.sources
    assert (str(busybox.repository), busybox.tags, busybox.renamed) == (
        "docker.io/library/busybox",
        ("latest",),
        "new",
    )
    assert str(busybox.place) == "docker://registry.example:5000/library/busybox"
    assert busybox.parts == Parts((Platform.parse("linux/amd64"),))
    assert busybox.access.tls_verify is False
    there = busybox.place_access
    assert (there.username, there.password, there.plain_http) == ("me", "secret", True)
    assert app.access == USUAL
    assert app.filter is not None
    # The expressions match whole tags.
    assert app.filter.by_name(["v1.2", "v1.2-rc", "xv1", "v0.1"]) == ("v1.2",)
    assert app.parts == Parts(all_platforms=True, has_referrers=True)
    assert (len(pinned.digests), pinned.renamed) == (1, "pinned")


TOP = "sync:\n  - source: a\n    target: b.example/a\n    type: repository\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TOP.replace("repository", "registry"), "line 4: type: registry is not supported"),
        (TOP.replace("repository", "folder"), "line 4: type: expected image or repository"),
        (TOP.replace("    type: repository\n", ""), "line 2: an entry needs 'type'"),
        (TOP.replace("b.example/a", "ocidir://x"), "line 3: target: an OCI layout"),
        (TOP.replace("b.example/a", "B C"), "line 3: target: "),
        (TOP.replace("source: a", "source: a:1"), "line 2: source: expected a name without a tag"),
        (TOP.replace("source: a", "source: '{{ .X }}'"), "line 2: source: templates other than"),
        (TOP.replace("source: a", "source: '{{env \"X\"}}'"), "the variable X is not set"),
        (TOP.replace("repository", "image") + "    tags: {}\n", "line 5: tags: it is for the type"),
        (TOP + "    tags: {allow: ['(']}\n", "line 5: allow: missing )"),
        (TOP + "    tags: {alow: ['x']}\n", "line 5: unknown key 'alow'"),
        (TOP + "    backup: x\n", "line 5: backup is not supported: the result would differ"),
        (TOP + "    digestTags: true\n", "line 5: digestTags is not supported"),
        (TOP + "    platfrom: x\n", "line 5: unknown key 'platfrom'"),
        (TOP + "version: 2\n", "line 5: version: expected 1"),
        (TOP + "creds: [{registry: x, hostname: y}]\n", "line 5: hostname is not supported"),
        (TOP + "creds: [{registry: x, tls: maybe}]\n", "line 5: tls: expected enabled"),
        (TOP + "creds: [{registry: x, pass: y}]\n", "line 5: pass: it needs a user"),
        (TOP + "creds: [{user: x}]\n", "credentials needs 'registry'"),
        (TOP + "defaults: {mediaTypes: [x]}\n", "line 5: mediaTypes is not supported"),
        ("sync: []\nversion: 1\n", "it lists no images"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert message in caught.value.message


def test_what_is_switched_off_is_no_mistake() -> None:
    assert read(TOP + "    digestTags: false\n").sources

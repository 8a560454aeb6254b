"""Manifests of hauler."""

from __future__ import annotations

import pytest

from remote.sync.sources import Parts
from store.errors import InvalidInput
from store.model.platforms import Platform
from tests.support.syncs import read

WHOLE = """
apiVersion: content.hauler.cattle.io/v1
kind: Images
metadata:
  name: images
  annotations:
    hauler.dev/platform: linux/arm64
    hauler.dev/registry: registry.example
spec:
  images:
    - name: busybox
      platform: linux/amd64
    - name: quay.io/team/app:1
      rewrite: /other/app:2
    - name: docker.io/library/debian@sha256:{digest}
---
apiVersion: content.hauler.cattle.io/v1alpha1
kind: Charts
spec: {charts: []}
---
apiVersion: content.hauler.cattle.io/v1alpha1
kind: Images
spec: {images: [{name: alpine}]}
---
""".replace("{digest}", "a" * 64)


def test_a_manifest_says_what_is_taken() -> None:
    file = read(WHOLE)
    busybox, app, debian, alpine = file.sources
    assert str(busybox.repository) == "registry.example/busybox"
    assert busybox.parts == Parts((Platform.parse("linux/amd64"),))
    assert (str(app.repository), str(app.place), app.renamed) == (
        "quay.io/team/app",
        "quay.io/other/app",
        "2",
    )
    assert app.parts == Parts((Platform.parse("linux/arm64"),))
    assert str(debian.repository) == "docker.io/library/debian"
    assert alpine.parts == Parts(all_platforms=True)
    assert file.notes == ("ignored line 17 of FILE: Charts are not images",)


TOP = "apiVersion: content.hauler.cattle.io/v1\nkind: Images\nspec:\n  images:\n    - name: x\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{TOP}      key: cosign.pub", "line 6: key is not supported: storectl does not verify"),
        (f"{TOP}      platform: a/b/c/d", "line 6: platform: "),
        (f"{TOP}      plaform: linux/amd64", "line 6: unknown key 'plaform'"),
        (f"{TOP}      rewrite: 'X Y'", "line 6: rewrite: "),
        (TOP.replace("cattle.io/v1", "cattle.io/v9"), "line 1: apiVersion: expected"),
        (TOP.replace("content.hauler.cattle.io/v1", "apps/v1"), "line 1: expected apiVersion"),
        (TOP.replace("Images", "Pictures"), "line 2: kind: expected Images"),
        (TOP.replace("name: x", "nam: x"), "line 5: unknown key 'nam'"),
        (TOP.replace("name: x", "platform: linux/amd64"), "line 5: an image needs 'name'"),
        (TOP.replace("kind: Images\n", ""), "a manifest of hauler needs 'kind'"),
        (
            TOP + "metadata: {annotations: {hauler.dev/key: k}}\n",
            "hauler.dev/key is not supported",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert message in caught.value.message

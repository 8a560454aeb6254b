"""The objects of an OpenShift cluster."""

from __future__ import annotations

from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # the types would be one more dependency

from storectl.client_config.mirror import Login, Mirror, Unsupported
from storectl.client_config.openshift import openshift

URL = "https://a.example:5000"


def objects(mirror: Mirror) -> list[dict[str, Any]]:
    (file,) = openshift(mirror).files
    return list(yaml.safe_load_all(file.text))


@pytest.mark.parametrize(
    ("is_sealed", "policy"), [(False, "AllowContactingSource"), (True, "NeverContactSource")]
)
def test_tags_and_digests_have_the_mirror(*, is_sealed: bool, policy: str) -> None:
    mirrors = [
        {
            "source": "b.example:443",
            "mirrors": ["a.example:5000/b.example_443"],
            "mirrorSourcePolicy": policy,
        }
    ]
    assert [
        (found["apiVersion"], found["kind"], found["spec"])
        for found in objects(Mirror(URL, ("b.example:443",), is_sealed=is_sealed))
    ] == [
        (
            "config.openshift.io/v1",
            "ImageDigestMirrorSet",
            {"imageDigestMirrors": mirrors},
        ),
        ("config.openshift.io/v1", "ImageTagMirrorSet", {"imageTagMirrors": mirrors}),
    ]


def test_certificates_are_a_config_map_with_the_port_after_two_dots() -> None:
    authority = "-----BEGIN\nA\n-----END\n"
    *_, found, image = objects(Mirror(URL, authority=authority))
    assert found["metadata"] == {"name": "storectl-mirror-ca", "namespace": "openshift-config"}
    assert found["data"] == {"a.example..5000": authority}
    assert image["spec"] == {"additionalTrustedCA": {"name": "storectl-mirror-ca"}}


def test_mirror_without_tls_is_an_insecure_registry() -> None:
    image = objects(Mirror("http://a.example:5000"))[-1]
    assert (image["kind"], image["metadata"]) == ("Image", {"name": "cluster"})
    assert image["spec"] == {"registrySources": {"insecureRegistries": ["a.example:5000"]}}


def test_password_is_not_among_the_objects() -> None:
    found = openshift(Mirror(URL, login=Login("alice", "opensesame")))
    assert "opensesame" not in found.files[0].text
    assert "opensesame" not in "".join(found.notes)
    assert any("pull secret" in note for note in found.notes)


def test_address_that_is_no_key_has_no_config_map() -> None:
    with pytest.raises(Unsupported):
        openshift(Mirror("https://[::1]:5000", authority="PEM\n"))

"""``registries.yaml`` of k3s and rke2."""

from __future__ import annotations

import pytest
import yaml  # type: ignore[import-untyped]  # the types would be one more dependency

from storectl.client_config.mirror import Login, Mirror
from storectl.client_config.rancher import k3s, rke2

URL = "https://a.example:5000"


def test_each_registry_has_the_mirror_as_its_endpoint() -> None:
    (file,) = k3s(Mirror(URL, ("docker.io", "b.example:443"))).files
    assert not file.is_secret
    assert yaml.safe_load(file.text) == {
        "mirrors": {"docker.io": {"endpoint": [URL]}, "b.example:443": {"endpoint": [URL]}}
    }


@pytest.mark.parametrize(("client", "name"), [(k3s, "k3s"), (rke2, "rke2")])
def test_files_are_in_the_folder_of_the_distribution(client: object, name: str) -> None:
    assert callable(client)
    login = Login("al: #ice", 'wo"rd\\')
    registries, certificates, sealed = client(
        Mirror(URL, is_sealed=True, authority="PEM\n", login=login)
    ).files
    assert (registries.path, registries.is_secret) == (f"/etc/rancher/{name}/registries.yaml", True)
    assert yaml.safe_load(registries.text)["configs"] == {
        "a.example:5000": {
            "auth": {"username": login.user, "password": login.password},
            "tls": {"ca_file": certificates.path},
        }
    }
    assert certificates.path == f"/etc/rancher/{name}/storectl-ca.crt"
    assert sealed.path == f"/etc/rancher/{name}/config.yaml.d/storectl.yaml"
    assert yaml.safe_load(sealed.text) == {"disable-default-registry-endpoint": True}

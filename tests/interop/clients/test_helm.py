"""helm pushes charts to the mirror, finds their versions, pulls them and installs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.engine import require
from tests.support.peers.mirror_endpoint import PASSWORD, USER
from tests.support.peers.newer_clients import HELM
from tests.support.peers.process import PeerRefusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.mirror_endpoint import Endpoint

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("newer-clients")]

NAME = "thing"


@pytest.fixture(autouse=True)
def installed(endpoint: Endpoint) -> None:
    require(HELM)
    if endpoint.tls:
        endpoint.programs.run(
            HELM, "registry", "login", endpoint.host, "--username", USER, "--password", PASSWORD
        )


def helm(endpoint: Endpoint, *words: str | Path) -> str:
    return endpoint.programs.run(HELM, *words, *([] if endpoint.tls else ["--plain-http"]))


def package(endpoint: Endpoint, version: str) -> Path:
    """Return the archive of a chart that creates a ConfigMap."""
    folder = endpoint.fresh(NAME)
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {NAME}\nversion: {version}\n")
    (folder / "templates" / "map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-map\n"
    )
    endpoint.programs.run(HELM, "package", folder, "--destination", folder.parent)
    return folder.parent / f"{NAME}-{version}.tgz"


def test_charts_are_pushed_found_pulled_and_installed(endpoint: Endpoint) -> None:
    repository = f"oci://{endpoint.host}/charts"
    # In a tag, helm writes the plus of a version as an underscore.
    charts = {version: package(endpoint, version) for version in ("1.0.0", "1.2.0", "2.0.0+b1")}
    for chart in charts.values():
        helm(endpoint, "push", chart, repository)
    for asked, version in (("1.0.0", "1.0.0"), ("^1.0", "1.2.0"), ("2.0.0+b1", "2.0.0+b1")):
        out = endpoint.fresh("pulled")
        out.mkdir()
        helm(endpoint, "pull", f"{repository}/{NAME}", "--version", asked, "--destination", out)
        assert [path.read_bytes() for path in out.iterdir()] == [charts[version].read_bytes()]
        shown = helm(endpoint, "show", "chart", f"{repository}/{NAME}", "--version", asked)
        assert f"version: {version}" in shown
    drawn = helm(endpoint, "template", "mine", f"{repository}/{NAME}", "--version", "1.2.0")
    assert "name: mine-map" in drawn
    # helm 3 asks a cluster for its version even for a dry run, after it has pulled the chart.
    words = ("install", "mine", f"{repository}/{NAME}", "--version", "^1.0", "--dry-run=client")
    with pytest.raises(PeerRefusal, match="Kubernetes cluster unreachable") as stopped:
        helm(endpoint, *words)
    assert f"Pulled: {endpoint.host}/charts/{NAME}:1.2.0" in str(stopped.value)


def test_chart_without_a_version_is_the_newest(endpoint: Endpoint) -> None:
    repository = f"oci://{endpoint.host}/newest"
    for version in ("0.9.0", "0.10.0"):
        helm(endpoint, "push", package(endpoint, version), repository)
    assert "version: 0.10.0" in helm(endpoint, "show", "chart", f"{repository}/{NAME}")


def test_chart_that_does_not_exist_is_reported(endpoint: Endpoint) -> None:
    with pytest.raises(PeerRefusal) as refused:
        helm(endpoint, "show", "chart", f"oci://{endpoint.host}/charts/nothing")
    assert "404" in str(refused.value) or "not found" in str(refused.value).lower()

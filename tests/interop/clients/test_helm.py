"""helm pushes charts to the mirror, finds their versions, pulls them and installs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import pytest

from tests.support.engine import require
from tests.support.peers.mirror_endpoint import PASSWORD, USER
from tests.support.peers.newer_clients import HELM, HELM_4
from tests.support.peers.process import PeerRefusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.mirror_endpoint import Endpoint

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("newer-clients")]

NAME = "thing"


@final
class Helm:
    """A version of helm, with one endpoint."""

    def __init__(self, program: str, endpoint: Endpoint) -> None:
        require(program)
        self.program = program
        self._endpoint = endpoint
        if endpoint.tls:
            login = ("--username", USER, "--password", PASSWORD)
            endpoint.programs.run(program, "registry", "login", endpoint.host, *login)

    def repository(self, name: str) -> str:
        """Return the address of a repository of its own."""
        return f"oci://{self._endpoint.host}/{self.program}/{name}"

    def run(self, *words: str | Path) -> str:
        how = [] if self._endpoint.tls else ["--plain-http"]
        return self._endpoint.programs.run(self.program, *words, *how)


@pytest.fixture(params=[HELM, HELM_4])
def helm(endpoint: Endpoint, request: pytest.FixtureRequest) -> Helm:
    return Helm(request.param, endpoint)


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


def test_charts_are_pushed_found_pulled_and_installed(endpoint: Endpoint, helm: Helm) -> None:
    repository = helm.repository("charts")
    # In a tag, helm writes the plus of a version as an underscore.
    charts = {version: package(endpoint, version) for version in ("1.0.0", "1.2.0", "2.0.0+b1")}
    for chart in charts.values():
        helm.run("push", chart, repository)
    for asked, version in (("1.0.0", "1.0.0"), ("^1.0", "1.2.0"), ("2.0.0+b1", "2.0.0+b1")):
        out = endpoint.fresh("pulled")
        out.mkdir()
        helm.run("pull", f"{repository}/{NAME}", "--version", asked, "--destination", out)
        assert [path.read_bytes() for path in out.iterdir()] == [charts[version].read_bytes()]
        shown = helm.run("show", "chart", f"{repository}/{NAME}", "--version", asked)
        assert f"version: {version}" in shown
    drawn = helm.run("template", "mine", f"{repository}/{NAME}", "--version", "1.2.0")
    assert "name: mine-map" in drawn
    words = ("install", "mine", f"{repository}/{NAME}", "--version", "^1.0", "--dry-run=client")
    if helm.program == HELM_4:
        said = helm.run(*words)
        assert "name: mine-map" in said
    else:
        # helm 3 asks a cluster for its version even for a dry run, after it has pulled the chart.
        with pytest.raises(PeerRefusal, match="Kubernetes cluster unreachable") as stopped:
            helm.run(*words)
        assert f"Pulled: {repository.removeprefix('oci://')}/{NAME}:1.2.0" in str(stopped.value)


def test_chart_without_a_version_is_the_newest(endpoint: Endpoint, helm: Helm) -> None:
    repository = helm.repository("newest")
    for version in ("0.9.0", "0.10.0"):
        helm.run("push", package(endpoint, version), repository)
    assert "version: 0.10.0" in helm.run("show", "chart", f"{repository}/{NAME}")


def test_chart_that_does_not_exist_is_reported(helm: Helm) -> None:
    with pytest.raises(PeerRefusal) as refused:
        helm.run("show", "chart", f"{helm.repository('charts')}/nothing")
    assert "404" in str(refused.value) or "not found" in str(refused.value).lower()

"""cosign signs, attests and verifies images in the mirror, with a key and without a log."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from store import Choice, ImportOptions, Reference, Store
from tests.support.engine import require
from tests.support.mirror_process import Mirror
from tests.support.peers.newer_clients import COSIGN
from tests.support.peers.process import PeerRefusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.mirror_endpoint import Endpoint

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("newer-clients")]

OFFLINE = ("--tlog-upload=false", "--use-signing-config=false", "--yes")
UNLOGGED = ("--insecure-ignore-tlog=true",)


class Signer:
    """cosign with a key of its own, for one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.folder = endpoint.fresh("keys")
        self.folder.mkdir()
        self.run("generate-key-pair")

    def run(self, *words: str | Path) -> str:
        return self._endpoint.programs.run(
            "env", "COSIGN_PASSWORD=", "SIGSTORE_NO_CACHE=true", COSIGN, *words, cwd=self.folder
        )

    def on(self, *words: str | Path) -> str:
        """Run a command about an image in the mirror."""
        how = [] if self._endpoint.tls else ["--allow-http-registry"]
        return self.run(words[0], *how, *words[1:])


@pytest.fixture
def signer(endpoint: Endpoint) -> Signer:
    require(COSIGN)
    return Signer(endpoint)


@pytest.mark.parametrize("bundle", ["true", "false"])
def test_an_image_is_signed_and_verified(bundle: str, signer: Signer, app: str) -> None:
    form = f"--new-bundle-format={bundle}"
    with pytest.raises(PeerRefusal):
        signer.on("verify", "--key", "cosign.pub", form, *UNLOGGED, app)
    signer.on("sign", "--key", "cosign.key", form, *OFFLINE, "--annotations", "who=me", app)
    said = signer.on(
        "verify", "--key", "cosign.pub", form, *UNLOGGED, "--annotations", "who=me", app
    )
    assert json.loads(said)
    assert app.partition("/")[0] in signer.on("tree", app)


@pytest.mark.parametrize("bundle", ["true", "false"])
def test_an_image_is_attested_and_the_attestation_verified(
    bundle: str, signer: Signer, app: str
) -> None:
    form = f"--new-bundle-format={bundle}"
    (signer.folder / "predicate.json").write_text('{"fact": "true"}')
    about = ("--type", "https://example.com/facts/v1")
    signer.on(
        "attest",
        "--key",
        "cosign.key",
        form,
        *OFFLINE,
        *about,
        "--predicate",
        "predicate.json",
        app,
    )
    said = signer.on("verify-attestation", "--key", "cosign.pub", form, *UNLOGGED, *about, app)
    assert json.loads(said.splitlines()[0])["payloadType"] == "application/vnd.in-toto+json"


def test_a_signed_image_is_copied_with_its_signature(signer: Signer, app: str) -> None:
    form = "--new-bundle-format=false"
    signer.on("sign", "--key", "cosign.key", form, *OFFLINE, app)
    copied = app.replace("/signed/", "/copied/")
    signer.on("copy", app, copied)
    assert json.loads(signer.on("verify", "--key", "cosign.pub", form, *UNLOGGED, copied))


@pytest.mark.parametrize("bundle", ["true", "false"])
def test_a_signed_image_is_saved_imported_and_verified(
    bundle: str, signer: Signer, app: str, endpoint: Endpoint
) -> None:
    form = f"--new-bundle-format={bundle}"
    signer.on("sign", "--key", "cosign.key", form, *OFFLINE, app)
    saved = endpoint.fresh("saved")
    signer.on("save", "--dir", saved, app)
    moved = app.replace("/signed/", "/imported/")
    with Store.open(endpoint.mirror.root) as store:
        tag = Reference.parse(moved.partition("/")[2])
        store.import_archive(saved, ImportOptions(choice=Choice(tag=tag)))
    assert json.loads(signer.on("verify", "--key", "cosign.pub", form, *UNLOGGED, moved))


@pytest.mark.parametrize("bundle", ["true", "false"])
def test_a_signature_crosses_two_gaps(
    bundle: str, signer: Signer, app: str, endpoint: Endpoint
) -> None:
    """A pull, a save, an import and another mirror keep what cosign verifies."""
    form = f"--new-bundle-format={bundle}"
    signer.on("sign", "--key", "cosign.key", form, *OFFLINE, app)
    saved, near, far = (endpoint.fresh(name) for name in ("saved.tar", "near", "far"))

    def storectl(root: Path, *words: str | Path) -> None:
        endpoint.programs.run(sys.executable, "-m", "storectl", "--root", root, *words)

    storectl(near, "pull", "-q", "--all-platforms", "--referrers", app)
    everything = app.rpartition(":")[0]
    storectl(near, "save", "-q", "--format=oci", "--referrers", "-o", saved, everything)
    storectl(far, "import", "-q", saved)
    with Mirror(far, "-q") as mirror:
        moved = f"{mirror.host}/{app.replace(':', '_', 1)}"
        verify = ("verify", "--allow-http-registry", "--key", "cosign.pub", form, *UNLOGGED)
        assert json.loads(signer.run(*verify, moved))

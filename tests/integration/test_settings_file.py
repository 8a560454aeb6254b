"""`serve --config` as a process: settings are read at the start, and again on SIGHUP."""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mirror.access.passwords import hash_password
from store import Store
from store.catalog.upstream import tags as upstream_tags
from store.model.references import Reference
from tests.support.images import A
from tests.support.mirror_process import Mirror
from tests.support.stored_images import put_image
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def allowed(mirror: Mirror, user: str) -> bool:
    word = base64.b64encode(f"{user}:word".encode()).decode()
    status, _, _ = mirror.request("GET", "/v2/", headers={"Authorization": f"Basic {word}"})
    return status == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_hangup_reads_the_settings_again(workers: str, tmp_path: Path) -> None:
    for user in ("ann", "bob"):
        (tmp_path / user).write_text(f"{user}:{hash_password(b'word')}\n")
    file = tmp_path / "serve.toml"
    common = f'auth = "basic"\nno-anonymous = true\nworkers = {workers}\n'
    file.write_text(f'{common}htpasswd = "ann"\n')
    with Mirror(tmp_path / "store", "--config", str(file)) as mirror:
        assert (allowed(mirror, "ann"), allowed(mirror, "bob")) == (True, False)
        for text, said in (
            (f'{common}htpasswd = "bob"\n', "loaded the new settings"),
            (f'{common}htpasswd = "bob"\ngrace = 5\n', "these settings need a restart: grace"),
            (f'{common}htpasswd = "ann"\nnope = 1\n', "serve.toml, line 5: unknown setting 'nope'"),
            (common, "--no-anonymous needs --htpasswd or --rules"),
        ):
            file.write_text(text)
            mirror.process.send_signal(signal.SIGHUP)
            until(lambda said=said: said in mirror.log.read_text())  # type: ignore[misc] # of this round
            # All workers have the users of the last valid file.
            until(lambda: not any(allowed(mirror, "ann") for _ in range(8)))
            assert all(allowed(mirror, "bob") for _ in range(8))
            assert mirror.log.read_text().count(said) == 1
        assert mirror.log.read_text().count("cannot load the new settings") == 2
        assert "Traceback" not in mirror.log.read_text()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("workers = 1\nupstreams = {}\n", 2, "serve.toml, line 2: unknown setting 'upstreams'"),
        ("workers = \n", 2, "serve.toml"),
        (None, 10, "serve.toml"),
    ],
)
def test_a_server_does_not_start_with_an_invalid_file(
    text: str | None, code: int, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "serve.toml"
    if text is not None:
        file.write_text(text)
    words = ["--root", str(tmp_path / "store"), "serve", "--config", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "storectl", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "store").exists()


def test_limits_of_the_cache_change_on_a_hangup_unless_an_option_sets_them(tmp_path: Path) -> None:
    root, file = tmp_path / "store", tmp_path / "serve.toml"
    with Store.open(root, create=True) as store:
        put_image(store, A, tags=("x:1",))
        digest = store.inspect_manifest("x:1").summary.digest
        with store.write() as connection:
            seen = upstream_tags.UpstreamTag(digest, "", store.now())
            upstream_tags.put(connection, Reference.parse("x:1"), seen)
    file.write_text("workers = 2\n")
    path = "/v2/library/x/manifests/1"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    for options, status in ((("--cache-size", "1GB"), 200), ((), 404)):
        file.write_text("workers = 2\n")
        with Mirror(root, "--config", str(file), *options) as mirror:
            file.write_text('workers = 2\ncache-size = "1B"\n')
            mirror.process.send_signal(signal.SIGHUP)
            until(lambda at=mirror: "loaded the new settings" in at.log.read_text())  # type: ignore[misc] # of this round
            if status != 200:
                until(lambda at=mirror: "removed what was pulled" in at.log.read_text())  # type: ignore[misc] # of this round
            assert mirror.request("GET", path, headers=accept)[0] == status
            assert "need a restart" not in mirror.log.read_text()

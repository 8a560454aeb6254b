"""`pull` from a real registry, which runs in this process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.blobs.downloads import Downloads
from store.model.digests import Digest
from storectl.output.exit_codes import ExitCode
from tests.support import tars
from tests.support.command_line import Runner
from tests.support.faulty_registry import Answer, HangAfter
from tests.support.images import A, B
from tests.support.json_schema import SCHEMA, faults
from tests.support.layouts import Layout, gzip
from tests.support.pulls import Upstream
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = tars.member(b"large", bytes(range(256)) * 8000) + tars.END
BLOB = gzip(LARGE, 0).data


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    layout = Layout()
    amd64 = layout.image(gzip(A), gzip(LARGE, 0))
    arm64 = layout.image(gzip(B), platform="linux/arm64")
    layout.root(layout.index(amd64, arm64), "docker.io/team/app:1")
    layout.root(layout.image(gzip(A)), "docker.io/library/tiny:latest")
    layout.root(layout.image(replace(gzip(B), plain=A)), "docker.io/team/lying:1")
    with Upstream(tmp_path_factory.mktemp("upstream")) as running:
        running.serve(layout)
        yield running


@pytest.fixture(autouse=True)
def _without_faults(served: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    served.registry.clear()
    for name in ("DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], own_process: None) -> Runner:
    del own_process
    return Runner(tmp_path / "store", capfdbinary)


def test_the_output_is_that_of_docker(served: Upstream, run: Runner) -> None:
    name = f"{served.registry.host}/team/app:1"
    digest = served.store.inspect_manifest("team/app:1").summary.digest
    out = run("pull", "--plain-http", "--platform", "linux/amd64", name)
    assert out.splitlines() == [
        "1: Pulling from team/app",
        f"Digest: {digest}",
        f"Status: Downloaded newer image for {name}",
        name,
    ]
    assert "2 blob(s) downloaded" in run.err
    out = run("pull", "--plain-http", "--platform", "linux/amd64", f"docker://{name}")
    assert f"Status: Image is up to date for {name}" in out.splitlines()
    assert run("pull", "-q", "--plain-http", "--platform", "linux/arm64", name) == f"{name}\n"
    assert run.err == ""


def test_verify_refuses_an_image_with_other_layers_at_once(served: Upstream, run: Runner) -> None:
    name = f"{served.registry.host}/team/lying:1"
    run("pull", "--plain-http", "--verify", name, code=int(ExitCode.CONFLICT))
    assert f"{name} " in run.err
    assert f"layer 0 ({Digest.of(gzip(B).data)}) decodes to" in run.err
    assert run("images", "-q") == ""
    run("pull", "--plain-http", name)
    run("save", "--format", "legacy", "-o", "/dev/null", name, code=int(ExitCode.CONFLICT))
    assert "cannot decode the layers of" in run.err
    good = f"{served.registry.host}/library/tiny"
    run("pull", "--plain-http", "--verify", good)
    assert json.loads(run("inspect", good))[0]["Layers"][0]["State"] == "present"


def test_a_dry_run_creates_nothing(served: Upstream, run: Runner) -> None:
    name = f"{served.registry.host}/team/app:1"
    out = run("pull", "--plain-http", "--dry-run", "--all-platforms", name)
    assert "3 blob(s)" in out
    assert not run.root.exists()


def test_digests_are_written_to_a_file(served: Upstream, run: Runner, tmp_path: Path) -> None:
    names = [f"{served.registry.host}/{name}" for name in ("library/tiny", "team/app:1")]
    file = tmp_path / "digests"
    run("pull", "--plain-http", "--all-platforms", "--digest-file", str(file), *names)
    assert file.read_text().splitlines() == [
        str(served.store.inspect_manifest(name).summary.digest) for name in ("tiny", "team/app:1")
    ]


def test_json_has_an_object_for_each_image(served: Upstream, run: Runner) -> None:
    good, bad = f"{served.registry.host}/library/tiny", f"{served.registry.host}/team/none:2"
    out = run("pull", "--plain-http", "--json", bad, good, code=int(ExitCode.NOT_FOUND))
    failed, pulled = document = json.loads(out)
    assert list(faults(document, SCHEMA["properties"]["pull"])) == []
    note, error = map(json.loads, run.err.splitlines())
    assert note["Note"].startswith("created a store in ")
    assert (error["Error"], error["ExitCode"]) == (failed["Error"]["Message"], 3)
    assert (failed["Reference"], failed["Error"]["ExitCode"]) == (bad, int(ExitCode.NOT_FOUND))
    assert pulled["Reference"] == f"{good}:latest"
    assert (pulled["Changed"], pulled["DownloadedBlobs"]) == (True, 1)
    assert len(pulled["Images"]) == 1
    (planned,) = document = json.loads(run("pull", "--plain-http", "--json", "--dry-run", good))
    assert list(faults(document, SCHEMA["properties"]["pull"])) == []
    assert (planned["DryRun"], planned["Changed"], planned["Blobs"]) == (True, False, [])


def test_one_bad_image_does_not_stop_the_others(served: Upstream, run: Runner) -> None:
    names = [f"{served.registry.host}/{name}" for name in ("team/none:2", "library/tiny")]
    out = run("pull", "--plain-http", *names, code=int(ExitCode.NOT_FOUND))
    assert "Status: Downloaded newer image" in out
    assert f"{names[0]}" in run.err
    assert "1 of 2 images were pulled" in run.err


def test_short_names_are_those_of_registries_conf(
    served: Upstream, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "registries.conf"
    host = served.registry.host
    conf.write_text(
        f'unqualified-search-registries = ["{host}/none", "{host}/library"]\n'
        'short-name-mode = "permissive"\n'
        f'[aliases]\nalias = "{host}/team/app"\n'
    )
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    out = run("pull", "-q", "--plain-http", "--all-platforms", "alias:1", "tiny")
    assert out.split() == [f"{host}/team/app:1", f"{host}/library/tiny:latest"]
    assert run.attempt("pull", "--plain-http", "absent") == int(ExitCode.NOT_FOUND)
    (line,) = [text for text in run.err.splitlines() if "error" in text]
    assert "none/absent" in line


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["store:app:1"], "it is in the store"),
        (["--all-platforms", "--platform", "linux/amd64", "app"], "excludes"),
        (["UPPER"], "must be lowercase"),
        ([], "Missing argument"),
    ],
)
def test_wrong_use_is_explained(run: Runner, arguments: list[str], text: str) -> None:
    assert run.attempt("pull", *arguments) in {int(ExitCode.USAGE), int(ExitCode.INVALID_INPUT)}
    assert text in run.err
    assert not run.root.exists()


def test_an_interrupted_pull_says_what_it_keeps(
    served: Upstream, run: Runner, tmp_path: Path
) -> None:
    layer = Digest.of(BLOB)
    served.registry.always(HangAfter(1_000_000), path=str(layer))
    name = f"{served.registry.host}/team/app:1"
    command = [sys.executable, "-m", "storectl", "--root", str(run.root), "pull", "--plain-http"]
    choice = ["--platform", "linux/amd64", name]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [*command, *choice], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        until(lambda: Downloads(run.root).size_bytes(layer) >= 900_000)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "stay for the next pull" in err
    assert "Traceback" not in err
    served.registry.clear()
    (pulled,) = run.json("pull", "--plain-http", *choice)
    assert pulled["ResumedBytes"] >= 900_000
    assert run("fsck").startswith("clean")


def test_a_registry_that_fails_is_named_in_one_line(served: Upstream, run: Runner) -> None:
    served.registry.always(Answer(403), path="/manifests/")
    name = f"{served.registry.host}/team/app:1"
    assert run.attempt("pull", "--plain-http", name) != 0
    (line,) = [text for text in run.err.splitlines() if "403" in text]
    assert served.registry.host in line
    assert "team/app" in line

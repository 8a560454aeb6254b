"""`sync` from a real registry, which runs in this process."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.faulty_registry import Answer
from tests.support.json_schema import SCHEMA, faults
from tests.support.other_registry import OtherRegistry
from tests.support.pulls import Upstream
from tests.support.syncs import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with Upstream(tmp_path_factory.mktemp("upstream")) as running:
        serve(running, "team/app", {"1.0": "a", "1.1": "b", "edge": "c"})
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


@pytest.fixture
def path(tmp_path: Path, served: Upstream) -> Path:
    found = tmp_path / "images.yaml"
    found.write_text(
        f"sources: [{{repository: {served.registry.host}/team/app, tags: {{semver: '1'}}}}]\n"
    )
    return found


def test_changes_have_lines_and_the_sums_come_last(
    run: Runner, path: Path, served: Upstream
) -> None:
    host = served.registry.host
    words = ("sync", "--plain-http", str(path))
    planned = run(*words, "--plan").splitlines()
    assert [line.partition(" (")[0] for line in planned] == [
        f"Would pull: {host}/team/app:1.0",
        f"Would pull: {host}/team/app:1.1",
    ]
    assert "Plan of images: 2 to pull" in run.err
    out = run(*words).splitlines()
    assert [line.partition(" (")[0] for line in out] == [
        f"Pulled: {host}/team/app:1.0",
        f"Pulled: {host}/team/app:1.1",
    ]
    assert "images: 2 pulled" in run.err
    assert run(*words) == ""
    assert "images: 2 unchanged" in run.err
    assert run(*words, "--max-age", "1h") == ""
    assert "images: 2 fresh" in run.err


def test_quiet_prints_the_names_that_changed(run: Runner, path: Path, served: Upstream) -> None:
    names = [f"{served.registry.host}/team/app:{tag}" for tag in ("1.0", "1.1")]
    assert run("sync", "-q", "--plain-http", str(path)).split() == names
    assert run("sync", "-q", "--plain-http", str(path)) == ""


def test_a_failure_gives_its_exit_code(run: Runner, path: Path, served: Upstream) -> None:
    served.registry.always(Answer(404), path="/manifests/1.0")
    run("sync", "--plain-http", str(path), code=ExitCode.NOT_FOUND)
    assert "1 pulled, 1 failed" in run.err
    served.registry.clear()
    served.registry.always(Answer(403), path="/tags/list")
    run("sync", "--plain-http", str(path), code=ExitCode.ACCESS_DENIED)
    assert "images: 1 failed" in run.err


def test_the_first_failure_may_stop_the_sync(run: Runner, path: Path, served: Upstream) -> None:
    served.registry.always(Answer(404), path="/tags/list")
    other = path.with_name("other.txt")
    other.write_text(f"{served.registry.host}/team/app:edge\n")
    words = ("sync", "--plain-http", "--fail-fast", str(path), str(other))
    run(*words, code=ExitCode.NOT_FOUND)
    assert "pulled" not in run.err
    run(*words[:2], *words[3:], code=ExitCode.NOT_FOUND)
    assert "other: 1 pulled" in run.err


def test_json_is_what_the_schema_says(run: Runner, path: Path, served: Upstream) -> None:
    for words in (["--plan"], [], []):
        document = run.json("sync", "--plain-http", *words, str(path))
        assert list(faults(document, SCHEMA["properties"]["sync"])) == []
        assert document[0]["Plan"] is bool(words)
    assert document[0]["Counts"]["unchanged"] == 2
    served.registry.always(Answer(500), path="/tags/list")
    assert run.attempt("sync", "--json", "--plain-http", "--retry", "0", str(path)) != 0


def test_a_list_may_come_from_standard_input(
    run: Runner, served: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{served.registry.host}/team/app:edge\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert run("sync", "--plain-http", "-").startswith("Pulled: ")
    assert "stdin: 1 pulled" in run.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["FILE"], ExitCode.INVALID_INPUT, "line 2: unknown key 'x'"),
        (["missing.yaml"], ExitCode.INVALID_INPUT, "missing.yaml"),
        (["--all-platforms", "--platform", "linux/arm64", "FILE"], ExitCode.USAGE, "excludes"),
        (["--max-age", "soon", "FILE"], ExitCode.USAGE, "soon"),
        (["--jobs", "0", "FILE"], ExitCode.USAGE, "0"),
        (["--scoped", "FILE"], ExitCode.USAGE, "--scoped needs --to"),
        (["--prune", "--to", "docker://x.io", "FILE"], ExitCode.USAGE, "--to excludes --prune"),
        ([], ExitCode.USAGE, "FILE"),
    ],
)
def test_mistakes_are_named(
    run: Runner, tmp_path: Path, words: list[str], code: ExitCode, message: str
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("sources: []\nx: 1\n")
    run("sync", *(str(file) if word == "FILE" else word for word in words), code=code)
    assert message in run.err
    assert not (tmp_path / "store").exists()


def test_a_list_is_sent_to_a_registry(run: Runner, served: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "images.txt"
    path.write_text(f"{served.registry.host}/team/app:1.0\n{served.registry.host}/team/app:edge\n")
    with OtherRegistry(tmp_path / "other") as other:
        words = ("sync", "--plain-http", "--to", f"docker://{other.host}/mirror", str(path))
        planned = run(*words, "--plan").splitlines()
        assert len(planned) == 2
        run(*words)
        assert "2 sent" in run.err
        assert run("tags", "--plain-http", f"{other.host}/mirror/team/app").split() == [
            "1.0",
            "edge",
        ]
        run(*words)
        assert "2 unchanged" in run.err
        assert run("sync", "--plain-http", "--to", "registry", str(path), code=4) == ""
        assert "docker://REGISTRY[/PATH]" in run.err

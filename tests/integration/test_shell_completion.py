"""Completion in fish, zsh and bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_files import GOLDEN
from tests.support.command_line import Runner


@pytest.fixture
def run(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(root, capfdbinary)


@pytest.fixture
def filled(run: Runner) -> Runner:
    run(
        "import",
        *(str(GOLDEN / f"{name}.tar") for name in ("multi-layer", "parent-and-tags", "untagged")),
    )
    return run


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_verbs_options_and_names(filled: Runner) -> None:
    script = """
    storectl completion fish | source
    for typed in "storectl fs" "storectl images --dig" "storectl save spec-golden-parent:b"
        complete -C $typed | string replace -r "\t.*" ""
    end
    """
    environment = os.environ | {
        "STORECTL_ROOT": str(filled.root),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    # `string replace` ends with 1 where there was no description to remove.
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["fsck", "--digests", "spec-golden-parent:base"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_shows_whole_descriptions(run: Runner) -> None:
    script = """
    storectl completion fish | source
    complete -C "storectl rm"
    complete -C "storectl images --filter dangling="
    """
    environment = os.environ | {
        "STORECTL_ROOT": str(run.root),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "rm\tRemove tags, and images with their last tag.",
        "rmi\talias of rm",
        "dangling=false",
        "dangling=true",
    ]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_verbs_options_and_names(filled: Runner) -> None:
    script = """
    autoload -Uz compinit; compinit -u -D
    eval "$(storectl completion zsh)"
    [[ $_comps[storectl] == _storectl_completion ]] || exit 1
    compadd() { print -rl -- $completions }
    _describe() { print -rl -- ${completions_with_descriptions%%:*} }
    words=(storectl fs); CURRENT=2; _storectl_completion
    words=(storectl images --dig); CURRENT=3; _storectl_completion
    words=(storectl save spec-golden-parent:b); CURRENT=3; _storectl_completion
    """
    environment = os.environ | {
        "STORECTL_ROOT": str(filled.root),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["zsh", "-f", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["fsck", "--digests", "spec-golden-parent:base"]


def test_bash_completes_verbs_options_and_names(filled: Runner) -> None:
    script = """
    eval "$(storectl completion bash)"
    compopt() { :; }
    for COMP_LINE in "storectl fs" "storectl images --dig" "storectl save spec-golden-parent:b"; do
        COMP_POINT=${#COMP_LINE} COMP_WORDBREAKS=$' \t\n"=;|&(:'
        _storectl_completion storectl
        echo "${COMPREPLY[*]}"
    done
    """
    environment = os.environ | {
        "STORECTL_ROOT": str(filled.root),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["fsck", "--digests", "base"]

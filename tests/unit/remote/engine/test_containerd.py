"""Questions to ctr, and archives that it reads."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from remote.engine import containerd
from remote.engine.connection import EngineRefused, EngineUnavailable
from remote.engine.containerd import Containerd
from store.model.digests import Digest

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = Digest.of(b"index")


def running(script: str) -> Containerd:
    return Containerd((sys.executable, "-c", script), "x", os.environ, ("linux/arm64",))


def test_the_digest_of_a_name_is_read() -> None:
    listed = f"print('REF TYPE DIGEST'); print('a/b:1 index {DIGEST} 1 KiB'); print('a/b:11 i x')"
    assert running(listed).image_digest("a/b:1") == DIGEST
    assert running(listed).image_digest("a/b:2") is None


def test_an_archive_is_read_from_standard_input(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = f"import sys; open({str(out)!r}, 'wb').write(sys.stdin.buffer.read());"
    script += "assert sys.argv[1:] == ['images', 'import', 'linux/arm64', '-']"
    with running(script).importing() as importing:
        importing.write(b"first ")
        importing.write(b"second")
        importing.finish()
    assert out.read_bytes() == b"first second"


def test_a_refusal_has_the_last_line_of_ctr() -> None:
    refusing = running("import sys; print('noise', file=sys.stderr); sys.exit('ctr: no room')")
    refused = pytest.raises(EngineRefused, match="cannot load the image: no room")
    with refused, refusing.importing() as importing:
        for _ in range(100):
            importing.write(bytes(1_000_000))
        importing.finish()
    with pytest.raises(EngineUnavailable, match="cannot ask containerd: no room"):
        refusing.contents()


def test_what_is_not_finished_is_ended() -> None:
    waiting = running("import sys; sys.stdin.buffer.read(); open('/nowhere/x', 'w')")
    with pytest.raises(KeyError), waiting.importing() as importing:
        importing.write(b"half")
        raise KeyError


def test_a_program_that_cannot_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="there is no such program"):
        Containerd((str(tmp_path / "none"),), "x", {}).contents()
    with pytest.raises(EngineUnavailable, match="ermission"):
        Containerd((str(tmp_path),), "x", {}).contents()


def test_a_thread_that_starts_late_finds_its_stream_open(monkeypatch: pytest.MonkeyPatch) -> None:
    read = containerd._Tail._read

    def read_late(tail: containerd._Tail) -> None:
        time.sleep(0.2)
        read(tail)

    monkeypatch.setattr(containerd._Tail, "_read", read_late)
    # An error in the thread is a warning of pytest, which ends the test.
    assert running("print('DIGEST')").contents() == frozenset()
    with running("import sys; sys.stdin.buffer.read()").importing() as importing:
        importing.finish()

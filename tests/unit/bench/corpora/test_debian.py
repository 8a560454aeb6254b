from __future__ import annotations

import io
import subprocess
import tarfile
from typing import IO, TYPE_CHECKING, Self

from bench.corpora import debian

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Engine:
    """A container engine that records the build context instead of building an image."""

    context: tuple[str, ...] = ()

    def __init__(self, _folder: Path) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def build(self, body: IO[bytes], name: str) -> None:
        with tarfile.open(fileobj=io.BytesIO(body.read())) as tar:
            type(self).context = (name, *tar.getnames())

    def save_to(self, names: list[str], sink: IO[bytes]) -> None:
        sink.write(" ".join(names).encode())


def test_the_context_of_the_build_has_every_file_of_the_dockerfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **_options: object) -> None:
        if command[0] == "tar":
            (tmp_path / "rootfs.tar").write_bytes(b"rootfs")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(debian, "Engine", Engine)
    monkeypatch.setattr(debian, "_APT_SETTINGS", ())
    debian.build(tmp_path, tmp_path / "out.tar")
    assert Engine.context == (debian.IMAGE, "rootfs.tar", "Dockerfile", "entry.sh")
    assert (tmp_path / "out.tar").read_bytes() == debian.IMAGE.encode()
    assert {"ADD rootfs.tar /", "COPY entry.sh /usr/local/bin/entry"} <= set(
        debian._DOCKERFILE.splitlines()
    )

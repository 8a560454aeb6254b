"""Tiny Docker archives, valid or broken, built member by member."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any


def layer(name: str, data: bytes, *, mode: int = 0o644) -> bytes:
    """Return a layer as in docs/formats/docker-archive.md §11.

    It has one ustar member without owner names, then two zero blocks.
    """
    header = bytearray(512)
    header[0 : len(name)] = name.encode()
    header[100:108] = b"%07o\0" % mode
    header[108:116] = header[116:124] = b"0000000\0"
    header[124:136] = b"%011o\0" % len(data)
    header[136:148] = b"07346545000\0"
    header[148:156] = b" " * 8
    header[156:157] = b"0"
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data.ljust(-(-len(data) // 512) * 512, b"\0") + bytes(1024)


A = layer("a.txt", b"alpha\n")
B = layer("b.txt", b"beta\n")
E = bytes(1024)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config(*layers: bytes, **members: object) -> bytes:
    """Return a config of these layers as compact JSON."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        **members,
        "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]},
    }
    return json.dumps(document, separators=(",", ":")).encode()


@dataclass
class Archive:
    """A tar that is built member by member, in the order of the calls."""

    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    def file(self, name: str, data: bytes) -> Archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self.members.append((info, data))
        return self

    def link(self, name: str, target: str, *, hard: bool = False) -> Archive:
        info = tarfile.TarInfo(name)
        info.type = tarfile.LNKTYPE if hard else tarfile.SYMTYPE
        info.linkname = target
        self.members.append((info, b""))
        return self

    def directory(self, name: str) -> Archive:
        info = tarfile.TarInfo(name)
        info.type = tarfile.DIRTYPE
        self.members.append((info, b""))
        return self

    def manifest(self, *entries: dict[str, Any]) -> Archive:
        return self.file("manifest.json", json.dumps(list(entries)).encode())

    def bytes(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for info, data in self.members:
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()


def image(*layers: bytes, tags: tuple[str, ...] = ("demo:1",), **members: object) -> Archive:
    """Return an archive of one image with the layers ``0/layer.tar``, ``1/layer.tar`` and so on."""
    archive = Archive()
    data = config(*layers, **members)
    paths = []
    for position, blob in enumerate(layers):
        paths.append(f"{position}/layer.tar")
        archive.file(paths[-1], blob)
    archive.file("config.json", data)
    return archive.manifest(
        {"Config": "config.json", "RepoTags": list(tags) or None, "Layers": paths}
    )

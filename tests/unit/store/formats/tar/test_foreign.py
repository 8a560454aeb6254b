"""Files that are not image archives are called by their names."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from store.errors import InvalidArchive, TruncatedInput
from store.formats.tar.foreign import (
    FOREIGN,
    HEAD_BYTES,
    TREES,
    Foreign,
    ForeignTree,
    described,
    refuse_foreign,
)
from tests.support.tars import END, block, member


def zipped() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("app.tar", b"x" * 600)
    return data.getvalue()


def at(offset: int, magic: bytes) -> bytes:
    return bytes(offset).replace(b"\0", b"\1") + magic + b"\1" * 600


EXAMPLES: dict[str, list[bytes]] = {
    "UTF-16 text": [
        b"\xff\xfem\0a\0",
        b"\xfe\xff\0m\0a",
        "manifest".encode("utf-16-le"),
        "manifest".encode("utf-16-be"),
    ],
    "an HTML page": [
        b"<!DOCTYPE html><html></html>",
        b"\n  <HTML><body>",
        b"\xef\xbb\xbf<html>",
        b"<html>" + "é".encode() * 900,
    ],
    "an XML document": [b"<?xml version='1.0'?><Error/>", b"<Error><Code>AccessDenied</Code>"],
    "a JSON document": [b'{"message":"No such image"}\n', b" []", b'{"errors":[]}' * 200],
    "a Git LFS pointer": [b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"],
    "a git-annex pointer": [b"/annex/objects/SHA256E-s5--00.tar\n"],
    "a Dockerfile": [b"# syntax=docker/dockerfile:1\n\nFROM debian:12\n", b"ARG V=1\nfrom x\n"],
    "a file of Docker Compose": [
        b"services:\n  web:\n    image: nginx\n",
        b"version: '3'\n\nservices:\n  web:\n",
        b"name: demo\nservices: {}\n",
    ],
    "a manifest of Kubernetes": [b"# x\napiVersion: v1\nkind: Pod\n", b"kind: Pod\n"],
    "a list of checksums": [
        b"0" * 64 + b"  app.tar\n",
        b"a" * 64 + b" *app.tar\n",
        b"a" * 64 + b"\n",
        b"SHA256 (app.tar) = " + b"0" * 64,
    ],
    "Base64 text": [b"ABC+" * 19 + b"\nAB==\n", b"Abcz" * 16 + b"\r\n"],
    "a message encrypted with PGP": [b"-----BEGIN PGP MESSAGE-----\n\nhQ"],
    "a file encrypted with age": [b"age-encryption.org/v1\n-> X25519 \xff"],
    "a file encrypted with OpenSSL": [b"Salted__\x01\x02"],
    "a zip file": [zipped(), b"PK\x03\x04"],
    "an empty zip file": [b"PK\x05\x06" + bytes(18)],
    "a part of a zip file": [b"PK\x07\x08PK\x03\x04"],
    "a 7z archive": [b"7z\xbc\xaf\x27\x1c\0\4"],
    "a RAR archive": [b"Rar!\x1a\x07\x01\0"],
    "a cabinet file": [b"MSCF\0\0\0\0" + bytes(30)],
    "a cpio archive": [b"070701" + b"0" * 104, b"\xc7\x71" + bytes(24)],
    "a Debian package": [b"!<arch>\ndebian-binary   1342943816  0     0     100644  4         `\n"],
    "an ar archive": [b"!<arch>\nlib.o/  "],
    "an RPM package": [b"\xed\xab\xee\xdb\x03\0" + bytes(90)],
    "a xar archive": [b"xar!\0\x1c\0\1"],
    "data compressed with gzip": [b"\x1f\x8b\x08\0" + bytes(20)],
    "data compressed with bzip2": [b"BZh91AY&SY\xff"],
    "data compressed with xz": [b"\xfd7zXZ\0\0\4"],
    "data compressed with zstd": [b"\x28\xb5\x2f\xfd\x04\0"],
    "data compressed with lz4": [b"\x04\x22\x4d\x18\x60\x40\x82"],
    "data compressed with lz4 in its legacy format": [b"\x02\x21\x4c\x18\0"],
    "data compressed with lzip": [b"LZIP\x01\x0c\xff"],
    "data compressed with lzma": [b"\x5d\0\0\x80\0" + b"\xff" * 8],
    "data compressed with lzop": [b"\x89LZO\0\r\n\x1a\n\x10"],
    "data compressed with compress": [b"\x1f\x9d\x90\x6d"],
    "data compressed with snappy": [b"\xff\x06\0\0sNaPpY\0"],
    "a Singularity or Apptainer image": [
        b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0" + bytes(500)
    ],
    "a squashfs file system": [b"hsqs\x07\0\0\0", b"sqsh\0\0\0\x07"],
    "an EROFS file system": [at(1024, b"\xe2\xe1\xf5\xe0"), bytes(1024) + b"\xe2\xe1\xf5\xe0"],
    "an ext file system": [at(1080, b"\x53\xef"), bytes(1080) + b"\x53\xef"],
    "an ISO 9660 image": [bytes(32769) + b"CD001" + bytes(9000), at(32769, b"CD001")],
    "a disk with a partition table": [
        bytes(510) + b"\x55\xaaEFI PART",
        bytes(512) + b"EFI PART",
        b"\xeb\x63\x90" + bytes(507) + b"\x55\xaa" + bytes(20),
    ],
    "a qcow2 disk": [b"QFI\xfb\0\0\0\3"],
    "a VMDK disk": [b"KDMV\1\0\0\0"],
    "a VHD disk": [b"conectix\0\0\0\2"],
    "a VHDX disk": [b"vhdxfile" + b"M\0i\0c\0"],
    "a VirtualBox disk": [
        b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") + b"\x7f\x10\xda\xbe"
    ],
    "a program": [b"\x7fELF\2\1\1\0", b"MZ\x90\0\3", b"\xcf\xfa\xed\xfe\7\0"],
    "a script": [b"#!/bin/sh\nexit 1\n"],
    "a SQLite database": [b"SQLite format 3\0\x10\0"],
    "a PDF document": [b"%PDF-1.7\n%\xe2\xe3"],
    "a picture": [b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xd8\xff\xe0\0\x10JFIF"],
    "a file of zeros": [bytes(HEAD_BYTES)],
}


def refusal(head: bytes, compression: str = "") -> InvalidArchive:
    with pytest.raises(InvalidArchive) as caught:
        refuse_foreign(head[:HEAD_BYTES], compression)
    return caught.value


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: kind.name)
def test_every_kind_has_a_name_and_a_way_out(kind: Foreign) -> None:
    examples = EXAMPLES[kind.name]
    assert any(kind.is_kind_of(head) for head in examples)
    for head in examples:
        error = refusal(head)
        assert error.message == f"not an image archive: the input is {kind.name}"
        assert error.hint in {one.hint for one in FOREIGN if one.name == kind.name}
        assert not isinstance(error, TruncatedInput)
        # In front of it stands how it is compressed.
        assert refusal(head, "gzip").message.endswith(f"{kind.name}, compressed with gzip")
    # A tar whose first member happens to have such a name is a tar.
    if isinstance(kind.begins, bytes) and not kind.offset and b"\0" not in kind.begins:
        refuse_foreign(block(kind.begins) + bytes(HEAD_BYTES - 512))


def test_text_is_quoted() -> None:
    error = refusal(b"Error response from daemon: reference does not exist\n")
    assert error.message.endswith(
        "text that begins with 'Error response from daemon: reference does not exist'"
    )
    assert refusal(b"x" * 2000).message.endswith(f"text that begins with '{'x' * 60}…'")
    assert refusal(b"\x1b[31mfatal\n").message.endswith(r"begins with '\x1b[31mfatal'")
    assert "compressed with xz" in refusal(b"MZone\n", "xz").message


@pytest.mark.parametrize(
    "head",
    [b"", END, bytes(10240), member(b"f", b"x"), block(b"f"), b"\xfa" * 512, bytes(100)],
)
def test_a_tar_and_a_whole_block_of_unknown_bytes_are_left_to_the_reader(head: bytes) -> None:
    refuse_foreign(head)


def test_only_the_beginning_of_a_tar_was_cut_short() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        file.addfile(tarfile.TarInfo("manifest.json"))
    for length in (101, 150, 300, 511):
        assert isinstance(refusal(out.getvalue()[:length]), TruncatedInput)
    error = refusal(b"\xfa\xfb\xfc")
    assert type(error) is InvalidArchive
    assert "only 3 bytes" in error.message


FOLDERS = {
    "a root file system, as `docker export` writes it": [
        [".dockerenv", "app"],
        ["bin", "dev/", "etc/", "usr/"],
    ],
    "a virtual machine (OVA)": [["vm.ovf", "vm.vmdk"]],
    "the data of Docker": [["containers/", "image/", "overlay2/"]],
    "the storage of podman": [["overlay/", "overlay-images/", "overlay-layers/"], ["vfs-images/"]],
    "the data of containerd": [["io.containerd.content.v1.content/", "tmpmounts/"]],
    "a store of this program": [["blobs/", "store.db"]],
    "the storage of a registry": [["docker/"], ["docker/", "lost+found/", ".cache/"]],
    "a Helm chart": [["Chart.yaml", "templates/"]],
    "the context of a build": [["Dockerfile", "src/"], ["Containerfile"]],
    "the beginning of an image archive, without the list of its images": [
        ["blobs/"],
        ["0" * 64 + "/", "1" * 64 + "/"],
        ["0" * 64 + ".json"],
    ],
    "a single layer": [["VERSION", "json", "layer.tar"]],
}


@pytest.mark.parametrize("kind", TREES, ids=lambda kind: kind.name)
def test_every_kind_of_folder_is_recognised(kind: ForeignTree) -> None:
    for names in FOLDERS[kind.name]:
        assert described(names) == (kind.name, kind.hint)


def test_a_folder_of_archives_lists_them() -> None:
    assert described(["a.tar", "b.TAR.gz", "notes.txt"]) == (
        "archives: a.tar, b.TAR.gz",
        "import these files",
    )
    found = described([f"{number}.tar" for number in range(9)])
    assert found is not None
    assert found[0].endswith("4.tar, …")


def test_anything_else_is_not_known() -> None:
    assert described([]) is None
    assert described(["x", "etc/"]) is None
    # The configuration of docker is in a folder of this name as well.
    assert described(["docker/", "hosts", "passwd"]) is None

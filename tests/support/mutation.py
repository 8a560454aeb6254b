"""Faults that `Choices`, read from fuzzed bytes, put into archives.

Members are removed, renamed, linked elsewhere or truncated, and JSON documents are edited. In
some cases, the digests and sizes in other documents are updated after a change. Then every
digest is right, and only the code that reads the changed document can find the change.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import re
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import zstandard

from tests.support.archive_entries import DIRECTORY, FILE, HARDLINK, SYMLINK, Entries, Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fuzz_choices import Choices

KINDS: Final = (FILE, DIRECTORY, SYMLINK, HARDLINK, tarfile.FIFOTYPE, tarfile.CHRTYPE)
NAMES: Final = (
    "oci-layout",
    "index.json",
    "manifest.json",
    "repositories",
    "version",
    "blobs/sha256/" + "0" * 64,
    "blobs/sha512/" + "0" * 128,
    "blobs/sha256",
    "blobs",
    "../outside",
    "/etc/passwd",
    ".",
    "x" * 64 + "/json",
    "x" * 64 + "/layer.tar",
    "a\udcffb",
    "./index.json",
    "index.json/x",
)
VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    1,
    -1,
    2,
    3,
    2**63,
    1.5,
    10**30,
    "",
    "x",
    "x:1",
    "Bad Name",
    "sha256:" + "0" * 64,
    "sha512:" + "0" * 128,
    "md5:" + "0" * 32,
    "../../etc/passwd",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/octet-stream",
    "e30=",
    "v\u00b2",
    "\ud800",
    "2020-01-01T00:00:00Z",
    [],
    {},
    [[]],
    ["https://example.org/x"],
    {"os": "linux", "architecture": "arm", "variant": "v\u00b2"},
    {"org.opencontainers.image.ref.name": "y:2"},
)
KEYS: Final = (
    "mediaType",
    "digest",
    "size",
    "urls",
    "data",
    "annotations",
    "platform",
    "subject",
    "artifactType",
    "manifests",
    "layers",
    "config",
    "blobs",
)
_BLOB: Final = re.compile(r"(?:\./)?blobs/(?P<algorithm>sha256|sha512)/(?P<hex>[0-9a-f]+)")
_ROUNDS: Final = 8
_DEEPEST: Final = 6
"""The depth to which documents are updated after a change: a cycle of documents has no end."""


def mutated(entries: Entries, choices: Choices) -> Entries:
    """Return the entries after up to eight changes, as long as choices are left."""
    entries = list(entries)
    for _ in range(_ROUNDS):
        if not choices or not entries:
            break
        change = choices.pick(_CHANGES)
        position = choices.below(len(entries))
        change(entries, position, choices)
    return entries


def compressed(data: bytes, choices: Choices) -> bytes:
    """Return ``data``, usually unchanged and sometimes compressed, as the choices decide."""
    codecs: tuple[Callable[[bytes], bytes], ...] = (
        bytes,
        bytes,
        bytes,
        _gzip,
        _zstd,
        bz2.compress,
        lzma.compress,
    )
    return choices.pick(codecs)(data)


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data)


def _delete(entries: Entries, position: int, _choices: Choices) -> None:
    del entries[position]


def _repeat(entries: Entries, position: int, choices: Choices) -> None:
    again = entries[position]
    if choices.flag():
        again = replace(again, data=_edited(again.data, choices))
    entries.insert(choices.below(len(entries) + 1), again)


def _move(entries: Entries, position: int, choices: Choices) -> None:
    entries.insert(choices.below(len(entries)), entries.pop(position))


def _rename(entries: Entries, position: int, choices: Choices) -> None:
    entries[position] = replace(entries[position], name=_name(entries, choices))


def _retype(entries: Entries, position: int, choices: Choices) -> None:
    kind = choices.pick(KINDS)
    data = entries[position].data if kind == FILE else b""
    entries[position] = replace(
        entries[position], kind=kind, data=data, link=_name(entries, choices)
    )


def _add(entries: Entries, position: int, choices: Choices) -> None:
    entries.insert(
        position,
        Entry(
            _name(entries, choices),
            choices.pick((b"", b"{}", b"[]", b"null", b"x", bytes(1024), entries[position].data)),
        ),
    )


def _edit_bytes(entries: Entries, position: int, choices: Choices) -> None:
    _set(entries, position, _edited(entries[position].data, choices), follow=choices.flag())


def _borrow(entries: Entries, position: int, choices: Choices) -> None:
    _set(entries, position, choices.pick(entries).data, follow=choices.flag())


def _recompress(entries: Entries, position: int, choices: Choices) -> None:
    _set(entries, position, compressed(entries[position].data, choices), follow=choices.flag())


def _edit_json(entries: Entries, position: int, choices: Choices) -> None:
    # Go to the next JSON document, because most members of an archive are not JSON.
    for step in range(len(entries)):
        place = (position + step) % len(entries)
        try:
            document = json.loads(entries[place].data)
        except ValueError:
            continue
        if isinstance(document, dict | list):
            _set(
                entries,
                place,
                _written(_edited_tree(document, choices), choices),
                follow=choices.below(4) != 0,
            )
            return


_CHANGES: Final[tuple[Callable[[Entries, int, Choices], None], ...]] = (
    _edit_json,
    _edit_json,
    _edit_json,
    _edit_json,
    _edit_bytes,
    _delete,
    _repeat,
    _move,
    _rename,
    _retype,
    _add,
    _borrow,
    _recompress,
)


def _name(entries: Entries, choices: Choices) -> str:
    return choices.pick(NAMES) if choices.flag() else choices.pick(entries).name


def _edited(data: bytes, choices: Choices) -> bytes:
    at = choices.below(min(len(data) + 1, 1 << 16))
    match choices.below(4):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([choices.byte()]) + data[at + 1 :]
        case 2:
            return data[:at] + choices.take(4) + data[at:]
        case _:
            return data[:at] + data[at + 1 + choices.below(600) :]


def _edited_tree(document: Any, choices: Choices) -> Any:  # noqa: ANN401 - JSON
    """Return ``document`` with one node changed, deleted or added."""
    parent: Any = [document]
    key: Any = 0
    node = document
    while isinstance(node, dict | list) and node and choices.below(5):
        parent = node
        key = choices.pick(list(node)) if isinstance(node, dict) else choices.below(len(node))
        node = node[key]
    match choices.below(5):
        case 0:
            del parent[key]
        case 1 if isinstance(node, dict):
            node[choices.pick(KEYS)] = choices.pick(VALUES)
        case 1 if isinstance(node, list):
            node.append(choices.pick(node) if node and choices.flag() else choices.pick(VALUES))
        case 2 if isinstance(node, str):
            parent[key] = node[: choices.below(len(node) + 1)] + choices.pick(
                ("", "x", "\u00e9", ":", "/", "@", "\x00", "A")
            )
        case 2 if isinstance(node, int):
            parent[key] = node + choices.below(3) - 1
        case _:
            parent[key] = choices.pick(VALUES)
    return document


def _written(document: Any, choices: Choices) -> bytes:  # noqa: ANN401 - JSON
    text = json.dumps(document, indent=choices.pick((None, None, 1))).encode()
    return (
        choices.pick((b"", b"", b"", b"\xef\xbb\xbf", b" "))
        + text
        + choices.pick((b"", b"", b"", b"\n", b" x", b"}"))
    )


def _set(entries: Entries, position: int, data: bytes, *, follow: bool, depth: int = 0) -> None:
    """Replace the bytes of a member.

    If ``follow`` is set, the member moves to its new digest, and every document that names the
    digest changes too.
    """
    old = entries[position]
    entries[position] = replace(old, data=data)
    found = _BLOB.fullmatch(old.name)
    if not follow or found is None or depth > _DEEPEST:
        return
    fresh = hashlib.new(found["algorithm"], data).hexdigest()
    if fresh == found["hex"]:
        return
    entries[position] = replace(entries[position], name=old.name.replace(found["hex"], fresh))
    for place, entry in enumerate(entries):
        if found["hex"].encode() in entry.data and place != position:
            text = entry.data.replace(found["hex"].encode(), fresh.encode())
            text = re.sub(
                rb'(%s"\s*,\s*"size"\s*:\s*)%d\b' % (fresh.encode(), len(old.data)),
                lambda match: match[1] + str(len(data)).encode(),
                text,
            )
            _set(entries, place, text, follow=True, depth=depth + 1)

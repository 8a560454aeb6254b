"""The reading of a sync file of any kind, which its content tells."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from remote.sync.files.hauler import GROUP, read_hauler
from remote.sync.files.own import read_own
from remote.sync.files.plain_list import read_plain_list
from remote.sync.files.regsync import read_regsync
from remote.sync.files.skopeo import KEYS, read_skopeo
from remote.sync.files.yaml_tree import MAX_BYTES, Table, Text, invalid, read_documents
from store.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remote.sync.files.yaml_tree import Tree
    from remote.sync.sources import SyncFile

_HINT: Final = (
    "expected 'sources:' of storectl, registries of skopeo, 'sync:' of regsync, manifests of"
    " hauler, or one image on each line"
)
_NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})
_IMAGE_LINE: Final = re.compile(r"[A-Za-z0-9][^\s#]*[^\s#:]")


def read_sync_file(
    text: str,
    file: str,
    name: str,
    folder: Path,
    environment: Mapping[str, str] = _NO_VARIABLES,
) -> SyncFile:
    """Return what a sync file lists.

    Args:
        text: The content of the file.
        file: The name of the file, for messages.
        name: The name of the sync, unless the file has one.
        folder: The folder to which relative paths in the file refer.
        environment: The variables that a file of regsync may name.

    Raises:
        InvalidInput: The file is not valid.
    """
    if len(text) > MAX_BYTES:
        raise InvalidInput(f"invalid {file}: it is larger than {MAX_BYTES} bytes")
    if _is_plain_list(text):
        found = read_plain_list(text, file, name)
    else:
        found = _of_yaml(read_documents(text, file), file, name, folder, environment)
    if not found.sources:
        raise InvalidInput(f"invalid {file}: it lists no images", hint=_HINT)
    return found


def name_of(path: str) -> str:
    """Return the name of the sync of a file: that of the file, in letters, digits and hyphens.

    Args:
        path: The path of the file; ``-`` for standard input.
    """
    stem = re.sub(r"[^a-z0-9]+", "-", Path(path).name.rsplit(".", 1)[0].lower()).strip("-")
    return stem[:64].strip("-") or "stdin"


def _is_plain_list(text: str) -> bool:
    """Return whether a text looks like a list of images, and not like YAML.

    In YAML, a key ends with a colon, and a list begins with a hyphen.
    """
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words:
            return len(words) == 1 and _IMAGE_LINE.fullmatch(words[0]) is not None
    return False


def _of_yaml(
    trees: Sequence[Tree], file: str, name: str, folder: Path, environment: Mapping[str, str]
) -> SyncFile:
    trees = [one for one in trees if not (isinstance(one, Text) and one.is_null)]
    if not trees:
        raise InvalidInput(f"invalid {file}: it is empty", hint=_HINT)
    first = trees[0]
    if not isinstance(first, Table):
        raise invalid(file, first.line, "this is not a sync file", hint=_HINT)
    if "apiVersion" in first.values or "kind" in first.values:
        version = first.values.get("apiVersion")
        if isinstance(version, Text) and not version.text.startswith(GROUP):
            line = first.lines["apiVersion"]
            raise invalid(file, line, f"expected apiVersion {GROUP}v1 of hauler", hint=_HINT)
        return read_hauler(trees, file, name)
    if len(trees) > 1:
        raise invalid(file, trees[1].line, "expected one YAML document")
    if "sync" in first.values and "sources" not in first.values:
        return read_regsync(first, file, name, environment)
    if "sources" in first.values or "defaults" in first.values:
        return read_own(first, file, name)
    if _is_skopeo(first):
        return read_skopeo(first, file, name, folder)
    raise invalid(file, first.line, "this is not a sync file", hint=_HINT)


def _is_skopeo(table: Table) -> bool:
    return any(
        isinstance(one, Table) and not one.values.keys().isdisjoint(KEYS)
        for one in table.values.values()
    )

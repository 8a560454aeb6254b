"""Parse the name of an image, with or without a transport, into the value of its place.

Source: containers-transports(5); distribution/reference for names in registries.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from remote.names.locations import (
    DaemonImage,
    DockerArchive,
    FolderImage,
    HostImage,
    LayoutImage,
    OciArchive,
    RegistryImage,
    RegistryTree,
    StoredImage,
)
from remote.names.transports import FORMS, PREFIXES, UNSUPPORTED, Transport, split_transport
from store.errors import InvalidReference, StoreError, printable
from store.model.digests import Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from remote.names.locations import Location

MAX_NAME_CHARACTERS: Final = 8192
"""The longest name that is parsed: a path of the longest kind, and a reference."""

_QUOTED_CHARACTERS: Final = 300
_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_WEB: Final = frozenset(("http", "https"))
_POSITION: Final = re.compile(r"@(?P<position>[0-9]{1,6})")
_ALGORITHM: Final = re.compile(r"(?:sha256|sha512):[0-9a-f]*", re.IGNORECASE)
# c/image, internal/oci_util.go: the names in the index of a layout.
_LAYOUT_NAME: Final = re.compile(
    r"[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*"
)
# Neither a user nor a host begins with "-": the program ssh would take it for an option.
_HOST: Final = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.+@-]*)@)?"
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?)\]|(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<root>/.*)?"
)
_MAX_PORT: Final = 65535


def parse_location(text: str, default: Transport | None = None) -> Location:
    """Parse the name of an image.

    Args:
        text: The name, as the user wrote it.
        default: The transport of a name without one: the registry for ``pull`` and for the
            destination of ``push``, the store for names that commands have always taken as local.
            None if the name must have a transport.

    Returns:
        The value of the place. Nothing is looked up.

    Raises:
        InvalidReference: The transport is unknown or missing, or the name does not have the form of
            its transport.
        InvalidDigest: The digest of a reference has an unknown algorithm or the wrong length.
    """
    if len(text) > MAX_NAME_CHARACTERS:
        _refuse(f"it is longer than {MAX_NAME_CHARACTERS} characters", text)
    if not text:
        _refuse("it is empty", text, default)
    if "\0" in text:
        _refuse("it has a zero byte", text, default)
    transport, rest = split_transport(text)
    if transport is None:
        _refuse_foreign(text, default)
        transport = default
    if transport is None:
        _refuse("it has no transport", text)
    if not rest:
        _refuse(f"nothing follows {transport.value!r}", text, transport)
    return _PARSERS[transport](rest, text)


def _refuse_foreign(text: str, default: Transport | None) -> None:
    """Refuse a name that begins with the transport of another tool, or with that of a URL."""
    match = _SCHEME.match(text)
    if match is not None:
        scheme, rest = match["scheme"], text[match.end() :]
        if scheme.lower() in _WEB:
            _refuse(
                f"it is a URL: write {Transport.REGISTRY.value + rest[:200]!r} for an image", text
            )
        # The prefixes of these transports have no slashes.
        if f"{scheme}:" in {transport.value for transport in Transport}:
            return
        _refuse(f"the transport {scheme!r} is unknown", text)
    prefix, colon, _ = text.partition(":")
    if colon and prefix in UNSUPPORTED and (default is None or "-" in prefix):
        _refuse(f"the transport {prefix!r} is not supported", text)


def _registry(rest: str, text: str) -> RegistryImage:
    del text
    scheme = _SCHEME.match(rest)
    if scheme is not None:
        _refuse(f"leave out {scheme[0]!r}", rest, Transport.REGISTRY)
    return RegistryImage(_reference(rest))


def _stored(rest: str, text: str) -> StoredImage:
    del text
    return StoredImage(rest)


def _layout(rest: str, text: str) -> LayoutImage:
    return LayoutImage(*_path_and_layout_name(rest, text, Transport.LAYOUT))


def _oci_archive(rest: str, text: str) -> OciArchive:
    return OciArchive(*_path_and_layout_name(rest, text, Transport.OCI_ARCHIVE))


def _path_and_layout_name(
    rest: str, text: str, transport: Transport
) -> tuple[Path, str | None, int | None]:
    path, name, position = _path_and_name(rest, text, transport)
    if name is not None and _LAYOUT_NAME.fullmatch(name) is None:
        _refuse(
            f"{printable(name[:_QUOTED_CHARACTERS])!r} is not a name in a layout", text, transport
        )
    return path, name, position


def _docker_archive(rest: str, text: str) -> DockerArchive:
    path, name, position = _path_and_name(rest, text, Transport.DOCKER_ARCHIVE)
    if name is None:
        return DockerArchive(path, None, position)
    reference = _reference(name)
    if reference.digest is not None:
        _refuse("a name in this archive has no digest", text, Transport.DOCKER_ARCHIVE)
    return DockerArchive(path, reference.with_default_tag())


def _folder(rest: str, text: str) -> FolderImage:
    del text
    return FolderImage(Path(rest))


def _daemon(rest: str, text: str) -> DaemonImage:
    if _ALGORITHM.fullmatch(rest):
        return DaemonImage(Digest.parse(rest))
    reference = _reference(rest)
    if reference.tag is not None and reference.digest is not None:
        _refuse("it has a tag and a digest: leave out one of the two", text, Transport.DAEMON)
    return DaemonImage(reference.with_default_tag())


def _host(rest: str, text: str) -> HostImage:
    place, separator, name = rest.rpartition("::")
    # An address has colons as well, but in brackets.
    if not separator or "]" in name:
        place, separator, name = rest, "", ""
    if separator and not name:
        _refuse("nothing follows '::'", text, Transport.HOST)
    match = _HOST.fullmatch(place)
    port = None if match is None or match["port"] is None else int(match["port"])
    if match is None or (port is not None and not 0 < port <= _MAX_PORT):
        _refuse(_host_fault(place), text, Transport.HOST)
    root = match["root"]
    return HostImage(
        host=match["address"] or match["host"],
        user=match["user"],
        port=port,
        root=None if root in (None, "/") else root,
        name=name or None,
    )


def _host_fault(place: str) -> str:
    """Return why a text is not the address of a store on another machine."""
    authority = place.partition("/")[0]
    user, at, host = authority.rpartition("@")
    if at and ":" in user:
        return "it has a password: SSH asks for it, or uses a key"
    if host.startswith("-") or user.startswith("-"):
        return "a user or a host cannot begin with '-'"
    if not host:
        return "the host is missing"
    port = host.rpartition("]")[2].partition(":")[2]
    if port and not re.fullmatch(r"[0-9]{1,5}", port):
        return f"the port {printable(port[:20])!r} is not a number"
    if port and not 0 < int(port) <= _MAX_PORT:
        return f"the port {port} is not in the range 1 to {_MAX_PORT}"
    return "the host or the user has a character that is not allowed"


def _registry_tree(rest: str, text: str) -> RegistryTree:
    path, colon, name = rest.partition(":")
    if colon and not name:
        _refuse("nothing follows the last ':'", text, Transport.REGISTRY_TREE)
    if not path:
        _refuse("the path is empty", text, Transport.REGISTRY_TREE)
    return RegistryTree(Path(path), name or None)


def _path_and_name(
    rest: str, text: str, transport: Transport
) -> tuple[Path, str | None, int | None]:
    """Split ``PATH[:NAME]`` or ``PATH:@POSITION``; the path ends before the first colon."""
    path, colon, name = rest.partition(":")
    if not path:
        _refuse("the path is empty", text, transport)
    if not colon:
        return Path(path), None, None
    if not name:
        _refuse("nothing follows the last ':'", text, transport)
    position = _POSITION.fullmatch(name)
    if position is not None:
        return Path(path), None, int(position["position"])
    return Path(path), name, None


def _reference(text: str) -> Reference:
    try:
        return Reference.parse(text)
    except StoreError as error:
        if error.hint is None:
            error.hint = _hint(Transport.REGISTRY)
        raise


_PARSERS: Final[dict[Transport, Callable[[str, str], Location]]] = {
    Transport.REGISTRY: _registry,
    Transport.STORE: _stored,
    Transport.LAYOUT: _layout,
    Transport.OCI_ARCHIVE: _oci_archive,
    Transport.DOCKER_ARCHIVE: _docker_archive,
    Transport.FOLDER: _folder,
    Transport.DAEMON: _daemon,
    Transport.HOST: _host,
    Transport.REGISTRY_TREE: _registry_tree,
}


def _hint(transport: Transport | None) -> str:
    if transport is None:
        return f"a name begins with one of the transports {PREFIXES}"
    return f"expected {FORMS[transport]}"


def _refuse(reason: str, text: str, transport: Transport | None = None) -> NoReturn:
    raise InvalidReference(
        f"invalid image name {printable(text[:_QUOTED_CHARACTERS])!r}: {reason}",
        text=text,
        hint=_hint(transport),
    )

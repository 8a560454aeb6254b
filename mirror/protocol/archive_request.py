"""Requests for archives: ``/archives/FORMAT/NAME[,NAME…]``, with the options as parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from exporter import Format, SaveOptions
from mirror.protocol.errors import WireError
from store.errors import InvalidDigest, InvalidInput
from store.formats.distribution.errors import ErrorCode
from store.model.digests import Digest
from store.model.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.formats.distribution.names import Names
    from store.model.references import Reference

MAX_NAMES: Final = 100

_FULL_ID: Final = re.compile(r"sha(?:256|512):[0-9a-f]+")
_PATH: Final = re.compile(r"(?P<format>[a-z]+)/(?P<names>.+)")
_BOOLEANS: Final = {"": True, "1": True, "true": True, "0": False, "false": False}
_FORMAT_IN_NAME: Final = {Format.LEGACY: "", Format.DOCKER: "", Format.OCI: ".oci"}
_MAX_NAME_CHARACTERS: Final = 200


@final
@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """A request for an archive.

    Args:
        names: The images in the order of the path, each by a reference, by the image's ID or by
            the digest of a manifest.
        options: The options that the format and the parameters select.
    """

    names: tuple[Reference | Digest, ...]
    options: SaveOptions

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names as text, as `exporter.open_save` expects them."""
        return tuple(map(str, self.names))

    @property
    def file_name(self) -> str:
        """The suggested file name; it has only letters, digits, dots, dashes and underscores."""
        first = self.names[0]
        text = (
            f"{first.algorithm}-{first.hex[:12]}" if isinstance(first, Digest) else first.familiar
        )
        more = f"-and-{len(self.names) - 1}-more" if len(self.names) > 1 else ""
        return (
            re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_MAX_NAME_CHARACTERS]
            + more
            + _FORMAT_IN_NAME[self.options.format]
            + ".tar"
        )


def parse(
    path: str, parameters: Iterable[tuple[str, str]], names: Names, machine: Platform
) -> ArchiveRequest:
    """Read a request for an archive.

    Args:
        path: The path after ``/archives/``.
        parameters: The names and values of the query, in the order of the query.
        names: The rule that maps names to repositories.
        machine: The default platform, for a request without the parameter ``platform``.

    Raises:
        WireError: The format, a parameter or a digest is invalid, or there are too many names.
        InvalidReference: A name is invalid.
    """
    match = _PATH.fullmatch(path)
    if match is None or match["format"] not in set(Format):
        raise WireError(
            404,
            ErrorCode.UNSUPPORTED,
            f"unknown archive: expected /archives/{{{'|'.join(Format)}}}/NAME[,NAME...]",
        )
    format_ = Format(match["format"])
    booleans = {"sparse": False, "referrers": False}
    platforms: list[Platform] = []
    namespace: str | None = None
    for key, value in parameters:
        if key == "platform":
            platforms += [_platform(text) for text in value.split(",")]
        elif key == "ns":
            namespace = value
        elif key in booleans and value in _BOOLEANS:
            booleans[key] = _BOOLEANS[value]
        else:
            # If a misspelt option were ignored, the client would get a different archive than it
            # wants.
            raise WireError(
                400,
                ErrorCode.UNSUPPORTED,
                f"invalid parameter {key[:40]}={value[:40]}: expected platform=OS/ARCH, referrers,"
                " sparse or ns=DOMAIN",
            )
    if format_ is Format.LEGACY and any(booleans.values()):
        raise WireError(
            400,
            ErrorCode.UNSUPPORTED,
            "invalid parameters: referrers and sparse need the format docker or oci",
        )
    texts = match["names"].split(",")
    if len(texts) > MAX_NAMES:
        raise WireError(
            414,
            ErrorCode.NAME_INVALID,
            f"too many names: {len(texts)} given, at most {MAX_NAMES} allowed",
        )
    return ArchiveRequest(
        tuple(_name(text, names, namespace) for text in texts),
        SaveOptions(
            format_,
            tuple(platforms),
            machine,
            sparse=booleans["sparse"],
            referrers=booleans["referrers"],
        ),
    )


def _name(text: str, names: Names, namespace: str | None) -> Reference | Digest:
    if not _FULL_ID.fullmatch(text):
        return names.reference(text, namespace)
    try:
        return Digest.parse(text)
    except InvalidDigest as exc:
        raise WireError(400, ErrorCode.DIGEST_INVALID, exc.message) from None


def _platform(text: str) -> Platform:
    try:
        return Platform.parse(text)
    except InvalidInput as exc:
        raise WireError(400, ErrorCode.UNSUPPORTED, exc.message) from None

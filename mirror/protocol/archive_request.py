"""What a request for an archive asks for: ``/archives/FORMAT/NAME[,NAME…]``, with the options of ``storectl save`` as parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from exporter import Format, SaveOptions
from mirror.protocol.errors import WireError
from store.errors import InvalidDigest, InvalidInput
from store.model.digests import Digest
from store.model.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mirror.protocol.names import Names
    from store.model.references import Reference

_FULL_ID: Final = re.compile(r"sha(?:256|512):[0-9a-f]+")
_PATH: Final = re.compile(r"(?P<format>[a-z]+)/(?P<names>.+)")
MAX_NAMES: Final = 100
_YES_OR_NO: Final = {"": True, "1": True, "true": True, "0": False, "false": False}
_FORMAT_IN_NAME: Final = {Format.LEGACY: "", Format.DOCKER: "", Format.OCI: ".oci"}


@final
@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """Names in the order they were given, each a reference or the digest of an image or manifest."""

    names: tuple[Reference | Digest, ...]
    options: SaveOptions

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names as ``storectl save`` takes them."""
        return tuple(map(str, self.names))

    @property
    def file_name(self) -> str:
        """What to call the file: nothing but letters, digits, dots and dashes."""
        first = self.names[0]
        text = (
            f"{first.algorithm}-{first.hex[:12]}" if isinstance(first, Digest) else first.familiar
        )
        more = f"-and-{len(self.names) - 1}-more" if len(self.names) > 1 else ""
        return (
            re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:200]
            + more
            + _FORMAT_IN_NAME[self.options.format]
            + ".tar"
        )


def parse(
    path: str, parameters: Iterable[tuple[str, str]], names: Names, machine: Platform
) -> ArchiveRequest:
    """Read everything behind ``/archives/``.

    ``machine`` is the platform that is meant when none is said.

    Raises WireError, InvalidReference.
    """
    match = _PATH.fullmatch(path)
    if match is None or match["format"] not in set(Format):
        raise WireError(
            404, "UNSUPPORTED", f"archives are at /archives/{{{'|'.join(Format)}}}/NAME[,NAME...]"
        )
    format_ = Format(match["format"])
    flags = {"sparse": False, "referrers": False}
    platforms: list[Platform] = []
    namespace: str | None = None
    for key, value in parameters:
        if key == "platform":
            platforms += [_platform(text) for text in value.split(",")]
        elif key == "ns":
            namespace = value
        elif key in flags and value in _YES_OR_NO:
            flags[key] = _YES_OR_NO[value]
        else:
            # Passed over, a misspelt option would give another archive than the one that is wanted.
            raise WireError(
                400,
                "UNSUPPORTED",
                f"{key[:40]}={value[:40]} is none of platform=OS/ARCH, referrers, sparse and"
                " ns=DOMAIN",
            )
    if format_ is Format.LEGACY and any(flags.values()):
        raise WireError(
            400, "UNSUPPORTED", "referrers and sparse go with the formats docker and oci"
        )
    texts = match["names"].split(",")
    if len(texts) > MAX_NAMES:
        raise WireError(414, "NAME_INVALID", f"more than {MAX_NAMES} names")
    wanted = tuple(_name(text, names, namespace) for text in texts)
    return ArchiveRequest(
        wanted,
        SaveOptions(
            format_, tuple(platforms), machine, sparse=flags["sparse"], referrers=flags["referrers"]
        ),
    )


def _name(text: str, names: Names, namespace: str | None) -> Reference | Digest:
    if not _FULL_ID.fullmatch(text):
        return names.reference(text, namespace)
    try:
        return Digest.parse(text)
    except InvalidDigest as exc:
        raise WireError(400, "DIGEST_INVALID", exc.message) from None


def _platform(text: str) -> Platform:
    try:
        return Platform.parse(text)
    except InvalidInput as exc:
        raise WireError(400, "UNSUPPORTED", exc.message) from None

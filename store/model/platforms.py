"""Platforms: parsed, normalised and matched as containerd does (containerd/platforms.

OCI image-spec, image-index.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

from store.model.base_errors import InvalidInput, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PART: Final = re.compile(r"[A-Za-z0-9_.-]+")
_DIGITS: Final = re.compile(r"[0-9]+")
"""`str.isdigit` is also true of digits that `int` does not read, such as superscripts."""

_OS_VERSION: Final = re.compile(r"(?P<os>[^()]+)\((?P<version>[^()]+)\)")
_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "aarch64": "arm64",
    "armhf": "arm",
}
_SYSTEMS: Final = {"macos": "darwin"}
_ARM_DEFAULT: Final = "v7"


@final
@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """What a manifest is made for. Build it with `parse` or `of`: both normalise."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``os/architecture[/variant]``, the os with its version in parentheses.

        Raises InvalidInput.
        """
        parts = text.split("/")
        versioned = _OS_VERSION.fullmatch(parts[0])
        system, version = (versioned["os"], versioned["version"]) if versioned else (parts[0], "")
        if len(parts) not in (2, 3) or not all(
            _PART.fullmatch(part) for part in (system, *parts[1:])
        ):
            raise InvalidInput(
                f"{printable(text)!r} is no platform",
                hint="expected os/architecture[/variant], for example linux/arm64 or linux/arm/v7",
            )
        return cls.of(system, parts[1], parts[2] if len(parts) == 3 else "", version)  # noqa: PLR2004 - the three parts

    @classmethod
    def of(cls, os: str, architecture: str, variant: str = "", os_version: str = "") -> Self:
        """The normalised platform: other names for an architecture, and variants that go without saying."""
        architecture = architecture.lower()
        if architecture == "armel":
            architecture, variant = "arm", "v6"
        architecture, variant = _ARCHITECTURES.get(architecture, architecture), variant.lower()
        if architecture == "arm64" and variant in {"8", "v8", "v8.0"}:
            variant = ""
        elif architecture == "arm":
            variant = f"v{variant}" if _DIGITS.fullmatch(variant) else variant or _ARM_DEFAULT
        elif architecture == "amd64" and variant == "v1":
            variant = ""
        return cls(_SYSTEMS.get(os.lower(), os.lower()), architecture, variant, os_version)

    @classmethod
    def of_fields(cls, fields: Mapping[str, object]) -> Self:
        """The platform that a descriptor's ``platform`` object says."""
        return cls.of(
            *(str(fields.get(key) or "") for key in ("os", "architecture", "variant", "os.version"))
        )

    def matches(self, other: Platform) -> bool:
        """Whether ``other`` is what was asked for by this platform: a variant or version that was not asked for may be any."""
        return (
            (self.os, self.architecture) == (other.os, other.architecture)
            and self.variant
            in ({other.variant, ""} if self.architecture != "arm" else {other.variant})
            and (not self.os_version or other.os_version.startswith(self.os_version))
        )

    def runs(self, other: Platform) -> int | None:
        """How well a machine of this platform runs ``other``, 0 being best.

        None when not at all: an arm machine runs older arm images too.
        """
        if (self.os, self.architecture) != (other.os, other.architecture):
            return None
        if self.variant == other.variant:
            return 0
        mine, theirs = _level(self.variant), _level(other.variant)
        if self.architecture == "arm" and theirs > mine:
            return None
        # A variant that nobody asked for comes last: it may need more than this machine has.
        return mine - theirs if mine > theirs else 100 + theirs

    @property
    def is_known(self) -> bool:
        """Attestations stand in an index with the platform ``unknown/unknown``."""
        return self.os not in {"", "unknown"} and self.architecture not in {"", "unknown"}

    def __str__(self) -> str:
        system = f"{self.os}({self.os_version})" if self.os_version else self.os
        return "/".join(part for part in (system, self.architecture, self.variant) if part)


DEFAULT: Final = Platform("linux", "amd64")
"""Which child of an index a bare name means.

Never the host's: what a store does must not depend on where it stands.
"""


def best(machine: Platform, offers: Iterable[Platform]) -> int | None:
    """The position of the offer that suits ``machine`` best, the first of equals.

    None when none does.
    """
    ranks = [
        (rank, position)
        for position, offer in enumerate(offers)
        if (rank := machine.runs(offer)) is not None
    ]
    return min(ranks)[1] if ranks else None


def _level(variant: str) -> int:
    digits = variant.removeprefix("v").partition(".")[0]
    return int(digits) if len(digits) < 4 and _DIGITS.fullmatch(digits) else 0  # noqa: PLR2004 - beyond three digits it is no version

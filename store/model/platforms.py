"""Platforms: parsed, normalised and matched as in containerd.

Source: containerd/platforms; OCI image-spec, image-index.md.
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
"""Used instead of `str.isdigit`, which accepts digits that `int` refuses, such as superscripts."""

_LEVEL: Final = re.compile(r"[0-9]{1,3}")
"""The number in a variant, such as ``7`` in ``v7``, with at most three digits."""

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
    """The platform that an image runs on. Create it with `parse` or `of`, which normalise it."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``os/architecture[/variant]``. The os may be followed by a version in parentheses.

        Raises:
            InvalidInput: The text has a different form.
        """
        parts = text.split("/")
        versioned = _OS_VERSION.fullmatch(parts[0])
        system, version = (versioned["os"], versioned["version"]) if versioned else (parts[0], "")
        if len(parts) not in (2, 3) or not all(
            _PART.fullmatch(part) for part in (system, *parts[1:])
        ):
            raise InvalidInput(
                f"invalid platform {printable(text)!r}",
                hint="expected os/architecture[/variant], for example linux/arm64 or linux/arm/v7",
            )
        return cls.of(system, parts[1], "".join(parts[2:]), version)

    @classmethod
    def of(cls, os: str, architecture: str, variant: str = "", os_version: str = "") -> Self:
        """Return the normalised platform.

        Args:
            os: The operating system, in any case.
            architecture: The architecture, in any case. It is converted to Go's name, for example
                ``x86_64`` to ``amd64``.
            variant: The variant, in any case. It is dropped if the architecture implies it.
            os_version: The version of the operating system, kept as it is.
        """
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
        """Return the platform of a descriptor's ``platform`` object.

        Args:
            fields: The JSON object. A missing field is treated as empty.
        """
        return cls.of(
            *(str(fields.get(key) or "") for key in ("os", "architecture", "variant", "os.version"))
        )

    def matches(self, other: Platform) -> bool:
        """Return whether an image for ``other`` counts as an image for this platform.

        If this platform has no variant or version, any variant or version matches. For arm, the
        variants must be equal.

        Args:
            other: The platform of the image.
        """
        return (
            (self.os, self.architecture) == (other.os, other.architecture)
            and self.variant
            in ({other.variant, ""} if self.architecture != "arm" else {other.variant})
            and (not self.os_version or other.os_version.startswith(self.os_version))
        )

    def runs(self, other: Platform) -> int | None:
        """Return how well a machine of this platform runs an image for ``other``.

        An arm machine also runs images for older variants.

        Args:
            other: The platform of the image.

        Returns:
            A rank, 0 for the best; None if the machine cannot run the image.
        """
        if (self.os, self.architecture) != (other.os, other.architecture):
            return None
        if self.variant == other.variant:
            return 0
        mine, theirs = _level(self.variant), _level(other.variant)
        if self.architecture == "arm" and theirs > mine:
            return None
        # A variant that the machine does not state ranks last: the machine may lack features.
        return mine - theirs if mine > theirs else 100 + theirs

    @property
    def is_known(self) -> bool:
        """Whether this is a real platform; attestations in an index have ``unknown/unknown``."""
        return self.os not in {"", "unknown"} and self.architecture not in {"", "unknown"}

    def __str__(self) -> str:
        system = f"{self.os}({self.os_version})" if self.os_version else self.os
        return "/".join(part for part in (system, self.architecture, self.variant) if part)


DEFAULT: Final = Platform("linux", "amd64")
"""The platform that is chosen if a name without a platform names an index.

It is never the platform of the host, because a store's behaviour must not depend on the machine.
"""


@final
@dataclass(frozen=True, slots=True)
class PlatformChoice:
    """The choice of the one image that a name stands for, if it names an index.

    Attributes:
        wanted: The platforms that the user asked for, the preferred one first; empty for none.
        machine: The platform to choose for if the user asked for none.
    """

    wanted: tuple[Platform, ...] = ()
    machine: Platform = DEFAULT

    def choose(self, offers: Iterable[Platform | None]) -> int | None:
        """Return the position of the image to choose.

        If the user asked for no platform, an image that the machine can run is preferred, and else
        the first image is chosen. So an index with images for other platforms names an image too.

        Args:
            offers: The platform of each image; None for an unknown platform, which never fits.

        Returns:
            The position in ``offers``; None if no image is for the wanted platforms, or if no
            platform is known.
        """
        known = [(position, offer) for position, offer in enumerate(offers) if offer is not None]
        for platform in self.wanted or (self.machine,):
            position = best(platform, (offer for _, offer in known))
            if position is not None:
                return known[position][0]
        return known[0][0] if known and not self.wanted else None

    def fits(self, platform: Platform) -> bool:
        """Return whether an image for ``platform`` is one that the user asked for."""
        return not self.wanted or any(one.runs(platform) is not None for one in self.wanted)


DEFAULT_CHOICE: Final = PlatformChoice()
"""The image for `DEFAULT`, or else the first one: what a tag stands for on every machine."""


def best(machine: Platform, offers: Iterable[Platform]) -> int | None:
    """Return the position of the image that suits a machine best.

    Args:
        machine: The platform of the machine.
        offers: The platforms of the images.

    Returns:
        The position in ``offers``. If several images are equally good, this is the first of them.
        None if the machine can run none of the images.
    """
    ranks = [
        (rank, position)
        for position, offer in enumerate(offers)
        if (rank := machine.runs(offer)) is not None
    ]
    return min(ranks)[1] if ranks else None


def _level(variant: str) -> int:
    digits = variant.removeprefix("v").partition(".")[0]
    return int(digits) if _LEVEL.fullmatch(digits) else 0

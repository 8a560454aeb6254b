"""skopeo: copies from any of its transports to any other transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from tests.support.peers.process import Programs


@final
class Skopeo:
    """skopeo without a policy and without TLS."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def version(self) -> str:
        """Return skopeo's version."""
        return self._programs.run("skopeo", "--version").split()[-1]

    def copy(
        self, source: str, target: str, *, everything: bool = False, preserve: bool = False
    ) -> None:
        """Copy an image; with ``everything``, copy an index and all manifests that it lists.

        Raises:
            PeerRefusal: The command failed.
        """
        options = [
            *(["--all"] if everything else []),
            *(["--preserve-digests"] if preserve else []),
        ]
        self._programs.run(
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            *options,
            source,
            target,
        )

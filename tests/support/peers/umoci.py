"""umoci: image layouts in folders, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.process import Programs


@final
class Umoci:
    """umoci keeps nothing anywhere but in the layouts it is given."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def version(self) -> str:
        """As it says it."""
        return self._programs.run("umoci", "--version").split()[-1]

    def run(self, *words: str | Path) -> str:
        """An umoci command. Raises PeerRefusal."""
        return self._programs.run("umoci", *words)

    def unpack(self, layout: Path, tag: str, bundle: Path) -> str:
        """Unpack an image; the digest of the manifest that umoci took it from.

        Raises PeerRefusal.
        """
        self.run("unpack", "--image", f"{layout}:{tag}", bundle)
        record = json.loads((bundle / "umoci.json").read_text())
        digest: str = record["from_descriptor_path"]["descriptor_walk"][-1]["digest"]
        return digest

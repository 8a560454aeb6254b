"""The folders of a store that hold files of blobs beside `store.blobs.directory.BLOBS`.

They have a module of their own, because each command that opens a store names them, and few use
them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

DOWNLOADS: Final = "downloads"
"""The folder of `store.blobs.downloads`."""

QUARANTINE: Final = "quarantine"
"""The folder of `store.blobs.quarantine`."""

QUARANTINED_FOR: Final = timedelta(days=7)
"""How long a file stays in quarantine, unless the user says otherwise."""

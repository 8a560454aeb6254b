"""Generate docs/formats/broken-inputs.md, the list of broken inputs and their errors.

``make docs`` runs this program.
"""

from __future__ import annotations

import sys
from pathlib import Path

# The corpus is a part of the tests, which are not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.broken.corpus import TARGET, document

if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")

"""Writes docs/formats/broken-inputs.md: the corpus of broken inputs, with what storectl says to each (`make docs`)."""

from __future__ import annotations

import sys
from pathlib import Path

# A stand-alone program: the corpus belongs to the tests.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.broken.corpus import TARGET, document

if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")

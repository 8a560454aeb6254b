"""The version in the code is a release number and equals the version of the package."""

from __future__ import annotations

import re
from importlib.metadata import version

from storectl.version import __version__


def test_the_version_is_that_of_the_installed_package() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert version("storectl") == __version__

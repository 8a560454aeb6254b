"""SQLAlchemy without what only its asynchronous drivers need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from store.db.lean_sqlalchemy import DEFERRED


def _run(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_modules_are_imported_at_their_first_use() -> None:
    script = """
import sys
import store.db.lean_sqlalchemy
from sqlalchemy.util import compat, concurrency
heavy = ("asyncio", "email", "importlib.metadata", "ssl")
print([name for name in heavy if name in sys.modules])
print(concurrency.iscoroutine(1), concurrency.is_cancellation_exception(ValueError()))
print(type(compat.importlib_metadata_get("console_scripts")).__name__)
import asyncio, importlib.metadata
print(concurrency.asyncio.Lock is asyncio.Lock, asyncio.iscoroutine.__module__)
"""
    assert _run(script).splitlines() == [
        "[]",
        "False False",
        "EntryPoints",
        "True asyncio.coroutines",
    ]


def test_modules_that_were_imported_before_are_kept() -> None:
    script = """
import asyncio, sys
import store.db.lean_sqlalchemy
from sqlalchemy.util import concurrency
print(sys.modules["asyncio"] is asyncio is concurrency.asyncio)
"""
    assert _run(script) == "True"


def test_a_module_that_the_block_uses_is_imported_in_it() -> None:
    script = """
import sys
from store.db.lean_sqlalchemy import deferred
sys.modules.pop("colorsys", None)
with deferred("colorsys", "asyncio"):
    import asyncio.events
    import colorsys
    before = sys.modules["colorsys"]
    colorsys.rgb_to_hsv(0, 0, 0)
    after = sys.modules["colorsys"]
import asyncio
print(before is colorsys, after is not colorsys, after.__file__.endswith("colorsys.py"))
print(asyncio.events.__name__, asyncio.__file__ is not None)
"""
    assert _run(script).splitlines() == ["True True True", "asyncio.events True"]


@pytest.mark.parametrize("module", ["store.catalog.events", "store.db.sqlite.values"])
def test_whatever_imports_sqlalchemy_first_imports_the_lean_one(module: str) -> None:
    script = f"import sys, {module}; print('sqlalchemy' in sys.modules, 'asyncio' in sys.modules)"
    assert _run(script) == "True False"


def test_no_stand_in_stays_among_the_modules() -> None:
    script = f"""
import sys
import store.db.lean_sqlalchemy
print([name for name in {DEFERRED!r} if name in sys.modules])
"""
    assert _run(script) == "[]"

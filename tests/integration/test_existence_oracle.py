"""Content that a caller may not read is answered like absent content, with the same work.

`tests/interop/test_existence_timing.py` measures the times of the same requests.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from store import Store
from tests.support.existence_probes import PROBES, Targets, outcome, pair, prepare
from tests.support.guarded_mirror import GuardedMirror, guarded_mirror
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[GuardedMirror, dict[str, Targets]]]:
    root = tmp_path_factory.mktemp("oracle") / "store"
    with (
        pytest.MonkeyPatch.context() as patch,
        Store.open(root, create=True) as store,
        guarded_mirror(store) as ask,
    ):
        # A plan that is kept would be dropped while the statements of a later probe are counted.
        patch.setattr("mirror.planning.archive_plans.KEPT_S", 0.0)
        yield ask, prepare(store, ask)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Record the statements that are sent to the database."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("name", PROBES)
def test_unreadable_content_looks_absent(
    name: str, served: tuple[GuardedMirror, dict[str, Targets]]
) -> None:
    ask, targets = served
    kind, probe = PROBES[name]
    both = pair(targets, kind)
    found = []
    for target in (both.gone, both.here):
        with counted() as sent:
            probe(ask, target)  # compiles statements and fills caches
            settle(sent)
            sent.clear()
            seen = outcome(probe(ask, target))
            settle(sent)
        found.append((seen, len(sent)))
    assert found[0] == found[1]


def settle(sent: list[str]) -> None:
    """Wait for the end of an archive's lease, which ends after the answer."""
    begun = any("INSERT INTO lease" in statement for statement in sent)
    until(lambda: not begun or any("DELETE FROM operation" in statement for statement in sent))
    if begun:
        time.sleep(0.05)


def test_the_catalog_lists_only_readable_repositories(
    served: tuple[GuardedMirror, dict[str, Targets]],
) -> None:
    ask, _ = served
    assert ask("mallory", "GET", "/v2/_catalog").json == {"repositories": ["mallory/x"]}
    assert ask("root", "GET", "/v2/_catalog").json == {"repositories": ["secret/app"]}

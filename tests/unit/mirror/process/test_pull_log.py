"""The pulls that wait to be recorded: which ones, in which batches, and how many at most."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from mirror.access.pattern import Pattern
from mirror.process import pull_log
from mirror.process.metrics import Metrics
from mirror.process.pull_log import PullLog
from store.errors import StoreBusy
from store.model.digests import Digest
from store.model.references import Repository
from tests.support.waiting import until_in_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from store.registry.pulls import Pull

NOW = datetime(2026, 1, 1, tzinfo=UTC)
APP = Repository("docker.io", "team/app")
OTHER = Repository("docker.io", "library/other")
DIGEST = Digest.of(b"manifest")
Caller = tuple[str | None, str | None]
ALICE = ("alice", "192.0.2.1")


class Recorder:
    """The batches that a log records; the next ones fail with ``errors``."""

    def __init__(self, *errors: Exception) -> None:
        self.batches: list[list[Pull]] = []
        self.errors = list(errors)
        self.metrics = Metrics()
        self.log = PullLog((Pattern.parse("team/**"),), self.record, self.metrics, lambda: NOW)

    async def record(self, pulls: list[Pull]) -> None:
        if self.errors:
            raise self.errors.pop()
        self.batches.append(pulls)

    def note(self, repository: Repository = APP, tag: str = "1", caller: Caller = ALICE) -> None:
        self.log.note(repository, tag, DIGEST, caller)

    def dropped(self) -> str:
        (line,) = [
            line
            for line in self.metrics.render({}).splitlines()
            if line.startswith('storectl_events_total{event="dropped_pulls"}')
        ]
        return line.partition(" ")[2]


def run(recorder: Recorder, actions: Callable[[], Awaitable[None]] | None = None) -> None:
    """Run the log while some actions run, and then let it end."""

    async def main() -> None:
        task = asyncio.create_task(recorder.log.run())
        if actions is not None:
            await actions()
        recorder.log.end()
        await asyncio.wait_for(task, 60)

    asyncio.run(main())


def test_equal_pulls_of_one_client_are_one_with_a_number() -> None:
    recorder = Recorder()
    for _ in range(3):
        recorder.note()
    recorder.note(tag="2")
    recorder.note(caller=(None, "192.0.2.2"))
    recorder.note(repository=OTHER)
    run(recorder)
    (batch,) = recorder.batches
    assert [(one.name, one.actor.user, one.count) for one in batch] == [
        ("team/app:1", "alice", 3),
        ("team/app:2", "alice", 1),
        ("team/app:1", None, 1),
    ]


def test_nothing_is_written_without_pulls() -> None:
    recorder = Recorder()
    run(recorder)
    assert recorder.batches == []


def test_pulls_are_recorded_after_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_log, "INTERVAL_S", 0.01)
    recorder = Recorder()

    async def pull() -> None:
        for number in (1, 2):
            recorder.note(tag=str(number))
            await until_in_loop(lambda: len(recorder.batches) == number)  # noqa: B023

    run(recorder, pull)
    assert [[one.target for one in batch] for batch in recorder.batches] == [["1"], ["2"]]


def test_a_large_batch_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_log, "INTERVAL_S", 3600.0)
    monkeypatch.setattr(pull_log, "BATCH_PULLS", 10)
    recorder = Recorder()

    async def pull() -> None:
        for number in range(10):
            recorder.note(tag=str(number))
        await until_in_loop(lambda: bool(recorder.batches))

    run(recorder, pull)
    assert len(recorder.batches[0]) == 10


def test_pulls_beyond_the_ceiling_are_counted_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pull_log, "MAX_PULLS", 2)
    recorder = Recorder()
    for number in range(5):
        recorder.note(tag=str(number))
    recorder.note(tag="0")
    run(recorder)
    assert [(one.target, one.count) for one in recorder.batches[0]] == [("0", 2), ("1", 1)]
    assert "pulls without an event: 3" in caplog.text
    assert recorder.dropped() == "3"


def test_pulls_that_cannot_be_recorded_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(StoreBusy("the catalogue is locked"))
    recorder.note()
    recorder.note()
    run(recorder)
    assert recorder.batches == []
    assert "cannot record pulls: the catalogue is locked" in caplog.text
    assert recorder.dropped() == "2"


def test_pulls_that_come_during_a_record_are_in_the_last_batch() -> None:
    recorder = Recorder()
    record = recorder.record

    async def slowly(pulls: list[Pull]) -> None:
        if not recorder.batches:
            recorder.note(tag="later")
        await record(pulls)

    recorder.log = PullLog((Pattern.parse("**"),), slowly, recorder.metrics, lambda: NOW)
    recorder.note(tag="first")
    run(recorder)
    assert [[one.target for one in batch] for batch in recorder.batches] == [["first"], ["later"]]


@pytest.mark.parametrize("user", ["alice", None])
def test_a_pull_by_digest_is_named_by_the_digest(user: str | None) -> None:
    recorder = Recorder()
    recorder.log.note(APP, DIGEST, DIGEST, (user, None))
    run(recorder)
    assert recorder.batches[0][0].name == f"team/app@{DIGEST}"

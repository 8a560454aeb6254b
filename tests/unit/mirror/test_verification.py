"""The fair verification of pushed images in the background."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast, final

import pytest

from mirror import verification
from mirror.current_client import Client, set_current_client
from mirror.verification import LONG_TURN_S, TURN_S, Verification
from store.errors import StorageFull
from store.model.contents import DiffState
from store.model.digests import Digest, ImageID
from tests.support.clocks import StillClock
from tests.support.waiting import until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from store import Store


def image(name: str) -> ImageID:
    return ImageID(Digest.of(name.encode()))


@final
class Images:
    """A store whose images take the time that a test gives them.

    Attributes:
        seconds: How long the layers of an image take to decode, by the image.
        unverified: The images that the database lists.
        begun: The images whose verification has begun, in order.
        done: The images whose verification has ended with a result, in order.
    """

    def __init__(self) -> None:
        self.clock = StillClock()
        self.seconds: dict[ImageID, float] = {}
        self.broken: set[ImageID] = set()
        self.unverified: list[tuple[ImageID, str]] = []
        self.begun: list[ImageID] = []
        self.done: list[ImageID] = []
        self.may_decode = threading.Event()
        self.may_decode.set()

    def needs_verification(self, image_id: ImageID) -> bool:
        return image_id not in self.done

    def verify_image(self, image_id: ImageID, *, is_stopped: Callable[[], bool]) -> DiffState:
        self.begun.append(image_id)
        if image_id in self.broken:
            raise StorageFull("no space left")
        left = self.seconds.get(image_id, 0.0)
        while left > 0 or not self.may_decode.wait(0.01):
            if is_stopped():
                return DiffState.UNVERIFIED
            if left > 0:
                self.clock.now += 1
                left -= 1
        self.done.append(image_id)
        return DiffState.VERIFIED

    def unverified_images(self, *, after: ImageID | None, limit: int) -> list[tuple[ImageID, str]]:
        start = 0 if after is None else [one for one, _ in self.unverified].index(after) + 1
        return self.unverified[start : start + limit]

    def run(
        self,
        steps: Callable[[Verification], Coroutine[None, None, None]],
        *,
        resume: bool = False,
    ) -> None:
        async def main() -> None:
            with ThreadPoolExecutor(2) as verifiers, ThreadPoolExecutor(1) as reads:
                checked = Verification(cast("Store", self), reads, verifiers, self.clock)
                task = asyncio.create_task(checked.run(resume=resume))
                await steps(checked)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(main())


def test_repositories_take_turns() -> None:
    images = Images()
    images.may_decode.clear()

    async def steps(checked: Verification) -> None:
        for number in range(50):
            checked.queue("attacker", image(f"lie {number}"))
        await until_in_loop(lambda: images.begun)
        checked.queue("honest", image("honest"))
        images.may_decode.set()
        await until_in_loop(lambda: image("honest") in images.done)
        assert images.done.index(image("honest")) <= 2

    images.run(steps)


def test_client_that_pushes_to_many_repositories_has_the_turns_of_one_client() -> None:
    images = Images()
    images.may_decode.clear()

    async def steps(checked: Verification) -> None:
        set_current_client(Client(("attacker",)))
        for number in range(50):
            checked.queue(f"repository {number}", image(f"lie {number}"))
        await until_in_loop(lambda: images.begun)
        set_current_client(Client(("honest",)))
        checked.queue("app", image("honest"))
        images.may_decode.set()
        await until_in_loop(lambda: image("honest") in images.done)
        assert images.done.index(image("honest")) <= 2

    images.run(steps)


def test_image_that_waits_is_queued_once() -> None:
    images = Images()
    images.may_decode.clear()

    async def steps(checked: Verification) -> None:
        checked.queue("app", image("first"))
        await until_in_loop(lambda: images.begun)
        for _ in range(40):
            checked.queue("app", image("again"))
        images.may_decode.set()
        checked.queue("app", image("last"))
        await until_in_loop(lambda: image("last") in images.done)

    images.run(steps)
    assert images.begun == [image("first"), image("again"), image("last")]


def test_image_that_decodes_for_long_does_not_delay_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    images = Images()
    images.seconds = {image("long"): TURN_S + 5, image("endless"): 2 * LONG_TURN_S}

    async def steps(checked: Verification) -> None:
        for name in ("endless", "long", "short"):
            checked.queue(name, image(name))
        await until_in_loop(lambda: {image("short"), image("long")} <= set(images.done))
        await until_in_loop(lambda: "stays unverified" in caplog.text)

    images.run(steps)
    assert images.done[0] == image("short")
    assert image("endless") not in images.done
    assert images.begun.count(image("endless")) == 2


def test_full_queue_resumes_with_what_the_database_lists(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(verification, "MAX_QUEUED", 5)
    monkeypatch.setattr(verification, "_PAGE", 3)
    images = Images()
    images.may_decode.clear()
    many = [image(f"lie {number}") for number in range(20)]
    images.broken = {many[0]}

    async def steps(checked: Verification) -> None:
        for one in many:
            checked.queue("app", one)
            images.unverified.append((one, "app"))
        images.may_decode.set()
        await until_in_loop(lambda: set(many[1:]) <= set(images.done))

    images.run(steps)
    assert "no space left" in caplog.text


def test_earlier_images_are_resumed_in_turns_with_new_ones() -> None:
    images = Images()
    images.may_decode.clear()
    images.unverified = [(image(f"old {number}"), "old") for number in range(30)]

    async def steps(checked: Verification) -> None:
        await until_in_loop(lambda: images.begun)
        checked.queue("new", image("new"))
        images.may_decode.set()
        await until_in_loop(lambda: len(images.done) == 31)

    images.run(steps, resume=True)
    assert images.done.index(image("new")) <= 2


def test_decoding_stops_when_the_server_ends() -> None:
    images = Images()
    images.may_decode.clear()

    async def steps(checked: Verification) -> None:
        checked.queue("app", image("endless"))
        await until_in_loop(lambda: images.begun)

    images.run(steps)
    assert not images.done


def test_failure_while_the_server_ends_is_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    images = Images()
    may_fail = threading.Event()

    def fail(image_id: ImageID, *, is_stopped: Callable[[], bool]) -> DiffState:
        images.begun.append(image_id)
        while not is_stopped():
            may_fail.wait(0.01)
        raise StorageFull("no space left")

    images.verify_image = fail  # type: ignore[method-assign]

    async def steps(checked: Verification) -> None:
        checked.queue("app", image("late"))
        await until_in_loop(lambda: images.begun)

    images.run(steps)
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot verify image={image('late')}: no space left"
    ]


def test_a_look_queues_new_images_but_not_those_that_stay_unverified() -> None:
    images = Images()
    broken, foreign, late = image("broken"), image("foreign"), image("late")
    images.broken.add(broken)
    images.seconds = {late: TURN_S + LONG_TURN_S + 1}
    images.unverified = [(one, "app") for one in (broken, foreign, late)]
    verify = images.verify_image

    def leave_foreign(image_id: ImageID, *, is_stopped: Callable[[], bool]) -> DiffState:
        if image_id != foreign:
            return verify(image_id, is_stopped=is_stopped)
        images.begun.append(image_id)
        return DiffState.UNVERIFIED

    images.verify_image = leave_foreign  # type: ignore[method-assign]

    async def steps(checked: Verification) -> None:
        await until_in_loop(lambda: sorted(images.begun) == sorted((broken, foreign, late, late)))
        for number in range(3):
            new = image(f"new {number}")
            images.unverified.append((new, "app"))
            checked.look()
            await until_in_loop(lambda new=new: new in images.done)  # type: ignore[misc] # of this round
        assert len(images.begun) == 4 + 3
        # A client that pushes such an image again has it tried again.
        checked.queue("app", foreign)
        await until_in_loop(lambda: images.begun.count(foreign) == 2)

    images.run(steps, resume=True)


def test_the_memory_of_unverified_images_has_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.verification.MAX_QUEUED", 1)
    images = Images()
    both = (image("a"), image("b"))
    images.broken.update(both)

    async def steps(checked: Verification) -> None:
        for one in both:
            checked.queue("app", one)
            await until_in_loop(lambda one=one: one in images.begun)  # type: ignore[misc] # of this round
        images.unverified = [(one, "app") for one in both]
        checked.look()
        await until_in_loop(lambda: images.begun.count(both[0]) == 2)

    images.run(steps)

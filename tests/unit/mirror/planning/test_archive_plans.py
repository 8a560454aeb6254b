"""Plans of archives: shared by the requests for one archive, bounded, and made in turns."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import bcrypt
import pytest

from exporter import Format, SaveOptions
from mirror.access import Access, Caller
from mirror.planning import archive_plans
from mirror.planning.archive_plans import ArchivePlans, PlannedArchive, Planning, Reader
from mirror.planning.departure import ClientLeft, Departure
from mirror.planning.turns import Busy
from mirror.protocol.archive_request import ArchiveRequest
from mirror.service import MirrorSettings
from mirror.transfer.pools import Pools
from store.errors import NotFound, StoreError
from store.model.limits import ANONYMOUS_ARCHIVES, ArchiveLimits
from store.model.references import Reference
from tests.support.clocks import StillClock
from tests.support.images import A, Archive, B, config, image
from tests.support.waiting import until_in_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


OPEN = Access()


@pytest.fixture
def filled(store: Store) -> Store:
    for name in ("one", "two", "three"):
        archive = image(A, B, tags=(f"{name}:1",), config={"Labels": {"name": name}})
        store.import_archive(io.BytesIO(archive.bytes()))
    return store


@pytest.fixture
def pools() -> Iterator[Pools]:
    made = Pools(cores=1)
    yield made
    made.close()


def planning(*names: str, reader: str = "anybody", client: str = "client") -> Planning:
    archive = ArchiveRequest(
        tuple(Reference.parse(name) for name in names), SaveOptions(Format.LEGACY)
    )
    return Planning(archive, client, Reader(Caller(reader), OPEN), ArchiveLimits())


def leases(store: Store) -> int:
    """Return the number of operations that are in progress."""
    return sum(1 for one in (store.root / "staging").iterdir() if one.is_dir())


def run(plans: ArchivePlans, main: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await main()
        await plans.close()

    asyncio.run(whole())


async def use(plans: ArchivePlans, wanted: Planning) -> PlannedArchive:
    async with plans.use(wanted, Departure()) as planned:
        return planned


def test_requests_for_one_archive_share_a_plan(filled: Store, pools: Pools) -> None:
    plans = ArchivePlans(filled, pools)

    async def main() -> None:
        first = await use(plans, planning("one:1"))
        assert await use(plans, planning("one:1")) is first
        assert leases(filled) == 1
        assert await use(plans, planning("one:1", reader="somebody else")) is not first
        assert await use(plans, planning("two:1")) is not first
        assert leases(filled) == 3

    run(plans, main)
    assert leases(filled) == 0


def test_new_permissions_make_a_new_plan() -> None:
    reader = Reader(Caller("alice"), OPEN)
    assert reader == Reader(Caller("alice"), OPEN)
    assert hash(reader) == hash(Reader(Caller("alice"), OPEN))
    assert reader not in (Reader(Caller("alice"), Access()), Reader(Caller(), OPEN), "alice")


@pytest.mark.parametrize("change", ["tag", "push"])
def test_a_plan_is_made_anew_when_names_or_manifests_change(
    filled: Store, pools: Pools, change: str
) -> None:
    plans = ArchivePlans(filled, pools)

    async def main() -> None:
        before = await use(plans, planning("one:1"))
        if change == "tag":
            filled.tag("two:1", "one:1")
        else:
            filled.import_archive(io.BytesIO(image(B, tags=()).bytes()))
        after = await use(plans, planning("one:1"))
        assert after is not before
        assert (after.tag != before.tag) == (change == "tag")

    run(plans, main)


def test_a_plan_is_forgotten_after_a_while(
    filled: Store, pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_plans, "KEPT_S", 0.01)
    plans = ArchivePlans(filled, pools)

    async def main() -> None:
        await use(plans, planning("one:1"))
        await until_in_loop(lambda: not leases(filled))

    run(plans, main)


def test_an_old_plan_is_not_given_to_new_requests(filled: Store, pools: Pools) -> None:
    clock = StillClock()
    plans = ArchivePlans(filled, pools, clock=clock)

    async def main() -> None:
        async with plans.use(planning("one:1"), Departure()) as first:
            clock.now += archive_plans.OLDEST_S + 1
            second = await use(plans, planning("one:1"))
            assert second is not first
            assert leases(filled) == 2
        assert await use(plans, planning("one:1")) is second

    run(plans, main)
    assert leases(filled) == 0


def test_plans_have_a_memory_limit(filled: Store, pools: Pools) -> None:
    measured = ArchivePlans(filled, pools)
    sizes: list[int] = []

    async def measure() -> None:
        sizes.append((await use(measured, planning("one:1"))).memory_bytes)

    run(measured, measure)
    assert 10_000 < sizes[0] < 20_000
    plans = ArchivePlans(filled, pools, memory_bytes=sizes[0] * 5 // 2)

    async def main() -> None:
        async with plans.use(planning("one:1"), Departure()) as first:
            second = await use(plans, planning("two:1"))
            # The plan that is not in use makes room.
            async with plans.use(planning("three:1"), Departure()):
                with pytest.raises(Busy) as caught:
                    await use(plans, planning("two:1"))
                assert not caught.value.of_client
                assert await use(plans, planning("one:1")) is first
        assert await use(plans, planning("two:1")) is not second

    run(plans, main)
    assert leases(filled) == 0


def test_a_plan_that_fails_leaves_nothing(filled: Store, pools: Pools) -> None:
    plans = ArchivePlans(filled, pools)

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(StoreError):
                await use(plans, planning("one:1", "none:1"))
        assert leases(filled) == 0
        with pytest.raises(NotFound):
            await use(plans, planning("none:1"))

    run(plans, main)


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_planning_ends_when_the_client_leaves(
    filled: Store, pools: Pools, monkeypatch: pytest.MonkeyPatch, *, is_cancelled: bool
) -> None:
    plans = ArchivePlans(filled, pools)
    departure = Departure()
    checks: list[int] = []
    check = departure.check

    def slow() -> None:
        checks.append(1)
        check()

    monkeypatch.setattr(departure, "check", slow)

    async def main() -> None:
        async def wait() -> None:
            async with plans.use(planning("one:1"), departure):
                pass

        task = asyncio.create_task(wait())
        if is_cancelled:
            await until_in_loop(lambda: checks)
            task.cancel()
        else:
            departure.leave()
        with pytest.raises(asyncio.CancelledError if is_cancelled else ClientLeft):
            await task
        assert leases(filled) == 0

    run(plans, main)


# --- over HTTP ------------------------------------------------------------------------------------


def many(store: Store, count: int) -> None:
    """Import ``count`` images as ``many:0``, ``many:1`` and so on."""
    archive = Archive().file("layer.tar", A)
    for number in range(count):
        archive.file(f"{number}.json", config(A, config={"Labels": {"n": str(number)}}))
    archive.manifest(
        *(
            {"Config": f"{number}.json", "RepoTags": [f"many:{number}"], "Layers": ["layer.tar"]}
            for number in range(count)
        )
    )
    store.import_archive(io.BytesIO(archive.bytes()))


@pytest.mark.parametrize("kind", Format)
def test_anonymous_clients_get_smaller_archives_where_users_exist(
    store: Store, serve: Callable[..., InProcessMirror], kind: Format
) -> None:
    many(store, ANONYMOUS_ARCHIVES.images + 1)
    users = {"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4))}
    guarded = serve(MirrorSettings(access=Access(users)))
    answer = guarded("GET", f"/archives/{kind}/many")
    assert (answer.status, answer.code) == (413, "SIZE_INVALID")
    assert answer.json["errors"][0]["message"] == (
        "cannot make the archive: it would have more than 100 images"
    )
    assert guarded("HEAD", f"/archives/{kind}/many").status == 413
    assert guarded("HEAD", f"/archives/{kind}/many:1").status == 200
    known = guarded("HEAD", f"/archives/{kind}/many", Authorization="Basic YWxpY2U6c2VjcmV0")
    assert known.status == 200
    # Where nobody can log in, all clients get what users get.
    assert serve(MirrorSettings())("HEAD", f"/archives/{kind}/many").status == 200


def test_ranges_of_an_archive_are_planned_once(
    filled: Store, ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    make = ArchivePlans._make

    async def counted(self: ArchivePlans, *args: object) -> PlannedArchive:
        made.append(args)
        return await make(self, *args)  # type: ignore[arg-type] # as given

    monkeypatch.setattr(ArchivePlans, "_make", counted)
    path = "/archives/oci/one:1"
    head = ask("HEAD", path)
    parts = [ask("GET", path, Range=f"bytes={at}-{at + 999}").body for at in (0, 1000)]
    whole = ask("GET", path)
    assert whole.headers["ETag"] == head.headers["ETag"]
    assert whole.body.startswith(b"".join(parts))
    assert len(made) == 1
    filled.tag("two:1", "one:1")
    assert ask("HEAD", path).headers["ETag"] != head.headers["ETag"]
    assert len(made) == 2


@pytest.mark.parametrize(("of_client", "status"), [(True, 429), (False, 503)])
def test_a_busy_server_says_when_to_try_again(
    filled: Store,
    ask: InProcessMirror,
    monkeypatch: pytest.MonkeyPatch,
    *,
    of_client: bool,
    status: int,
) -> None:
    async def refuse(*_args: object) -> PlannedArchive:
        raise Busy(of_client=of_client)

    monkeypatch.setattr(ArchivePlans, "_make", refuse)
    answer = ask("GET", "/archives/oci/one:1")
    assert answer.status == status
    assert answer.headers["Retry-After"] == "2"
    assert len(filled.images()) == 3

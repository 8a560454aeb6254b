"""A soak: processes of every verb and clients of a server on one store, and a check at the end.

Each process works in names of its own, so it knows what must be stored: everything that was
acknowledged, and that it did not remove. The layers are shared by all, so that collections race
with everyone who relies on them. Backups are made beside all of it, restored and rescued.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from store import Store
from store.model.digests import Digest
from tests.reliability.invariants import collected, require_sound, seen_in
from tests.support import images
from tests.support.mirror_process import Mirror
from tests.support.registry_client import Client, Image, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_KEPT_NAMES: Final = 6
_COMMAND_LIMIT_S: Final = 900
_LOCK_TIMEOUT_S: Final = 600
_BUSY: Final = 10
_BACKUP_INTERVAL_S: Final = 20.0
_UNAVAILABLE: Final = 503
_ASKS: Final = 30
"""How often a client repeats a request that the server had no time for."""

_READ_ONLY_VERBS: Final = (
    ("images", "-a"),
    ("df",),
    ("events", "--json"),
    ("gc", "--dry-run"),
    ("db", "check"),
)
_COLLECTIONS: Final = (
    ("gc",),
    ("gc", "--now"),
    ("prune", "-f"),
    ("fsck", "-q"),
    ("scrub", "-q"),
    ("fsck", "-q", "--repair"),
    ("events", "--prune", "--keep", "500"),
)


@dataclass
class SoakFigures:
    """What a soak did.

    Attributes:
        seconds: How long the processes worked.
        done: How often each verb and request succeeded.
        killed: How many commands were killed with SIGKILL while they ran.
        busy: How often a client or a scrub was told to come again later, and did.
        failures: Everything that went wrong.
    """

    seconds: float = 0.0
    done: dict[str, int] = field(default_factory=dict)
    killed: int = 0
    busy: int = 0
    failures: list[str] = field(default_factory=list)


class Soak:
    """One soak.

    Args:
        folder: An empty folder for the store and for archives.
        seconds: How long to work.
        threads: How many threads run commands; as many send requests.
    """

    def __init__(self, folder: Path, seconds: float, threads: int = 3) -> None:
        self.figures = SoakFigures()
        self._folder, self._root = folder, folder / "store"
        self._ends_at = time.monotonic() + seconds
        self._lock = threading.Lock()
        chance = random.Random(5)
        self._layers = [
            images.layer(f"{number}.bin", chance.randbytes(chance.randrange(1, 200_000)))
            for number in range(12)
        ]
        self._expected: dict[str, str] = {}
        self._threads = threads

    def run(self) -> SoakFigures:
        """Work for the time, check the store, and return the figures."""
        began = time.monotonic()
        with Store.open(self._root, create=True):
            pass
        with Mirror(self._root, "-q", "--scrub-every", "10m") as mirror:
            works: list[Callable[[], None]] = [
                self._collect,
                self._look,
                self._kill,
                self._back_up,
            ]
            works += [
                lambda number=number: self._commands(number)  # type: ignore[misc]
                for number in range(self._threads)
            ]
            works += [
                lambda number=number: self._requests(mirror.port, number)  # type: ignore[misc]
                for number in range(self._threads)
            ]
            threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.figures.seconds = round(time.monotonic() - began, 1)
            code = mirror.stop()
        if code != 0:
            self._fail(f"the server ended with {code}")
        if "Traceback" in mirror.log.read_text():
            self._fail(f"the server has logged: {mirror.log.read_text()[-3000:]}")
        self._check()
        return self.figures

    def _fail(self, text: str) -> None:
        with self._lock:
            self.figures.failures.append(text)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as exc:  # noqa: BLE001 - the others go on, and all failures are reported
            self._fail(f"{type(exc).__name__}: {exc}")

    def _goes_on(self) -> bool:
        return time.monotonic() < self._ends_at

    def _note(self, what: str) -> None:
        with self._lock:
            self.figures.done[what] = self.figures.done.get(what, 0) + 1

    def _command(self, *arguments: str, root: Path | None = None) -> str:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "storectl", "--root", str(root or self._root)),
                *("--lock-timeout", str(_LOCK_TIMEOUT_S), *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=_COMMAND_LIMIT_S,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if arguments[0] == "scrub" and done.returncode == _BUSY and "scrub" in done.stderr:
            # The server is at it.
            self._wait()
            return done.stdout
        assert done.returncode == 0, (arguments, done.returncode, done.stderr)
        self._note("fsck --repair" if "--repair" in arguments else arguments[0])
        return done.stdout

    def _wait(self) -> None:
        with self._lock:
            self.figures.busy += 1
        time.sleep(1.0)

    def _asked(self, ask: Callable[[], object]) -> None:
        """Send requests, and repeat them if the server says that it has no time."""
        for _ in range(_ASKS):
            try:
                ask()
            except Refused as exc:
                if exc.status != _UNAVAILABLE:
                    raise
                self._wait()
            else:
                return
        raise AssertionError("the server has had no time for 30 requests")

    # --- the works --------------------------------------------------------------------------------

    def _commands(self, number: int) -> None:
        """Import, tag, save, untag and remove images whose names nobody else changes."""
        chance, held = random.Random(f"commands {number}"), dict[str, Image]()
        archive, saved = self._folder / f"{number}.tar", self._folder / f"{number}.saved.tar"
        count = 0
        while self._goes_on():
            count += 1
            name = f"soak/c{number}:{count}"
            layers = chance.sample(self._layers, chance.randrange(1, 4))
            one = images.image(*layers, tags=(name,), comment=name)
            archive.write_bytes(one.bytes())
            self._command("import", "-q", str(archive))
            self._command("tag", name, f"{name}-copy")
            self._command(chance.choice(("inspect", "history")), name)
            self._command("save", "-q", "-o", str(saved), f"{name}-copy")
            self._command(chance.choice(("untag", "rm")), f"{name}-copy")
            saved.unlink()
            held[name] = Image.of(layers, name)
            with self._lock:
                self._expected[name] = "image"
            if len(held) > _KEPT_NAMES:
                gone = chance.choice(list(held))
                del held[gone]
                with self._lock:
                    del self._expected[gone]
                self._command("rm", gone)
        archive.unlink(missing_ok=True)

    def _requests(self, port: int, number: int) -> None:
        """Push, pull and delete images in a repository that nobody else changes."""
        client = Client(port, random.Random(f"requests {number}"))
        chance, repository, held = client.chance, f"soak/r{number}", dict[str, Image]()
        count = 0
        while self._goes_on():
            count += 1
            tag = str(count)
            layers = chance.sample(self._layers, chance.randrange(1, 4))
            image = Image.of(layers, f"{number}-{count}")
            others = [f"soak/r{other}" for other in range(self._threads) if other != number]
            self._asked(partial(client.push, repository, image, tag, others=others))
            self._note("push")
            held[tag] = image
            with self._lock:
                self._expected[f"{repository}:{tag}"] = image.digest
            seen = chance.choice(list(held))
            self._asked(partial(client.pull, repository, held[seen], seen))
            self._note("pull")
            if len(held) > _KEPT_NAMES:
                gone = chance.choice(list(held))
                with self._lock:
                    del self._expected[f"{repository}:{gone}"]
                manifest = f"manifests/{held.pop(gone).digest}"
                self._asked(partial(client.delete, repository, manifest))
                self._note("delete")
        client.close()

    def _collect(self) -> None:
        while self._goes_on():
            for arguments in _COLLECTIONS:
                if self._goes_on():
                    self._command(*arguments)

    def _look(self) -> None:
        while self._goes_on():
            for arguments in _READ_ONLY_VERBS:
                if self._goes_on():
                    self._command(*arguments)

    def _kill(self) -> None:
        """Start imports and kill each at a random moment."""
        chance, archive = random.Random("kills"), self._folder / "killed.tar"
        while self._goes_on():
            layers = chance.sample(self._layers, 3)
            own = images.layer("own", chance.randbytes(100_000))
            archive.write_bytes(images.image(own, *layers, tags=("soak/killed:1",)).bytes())
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "storectl",
                    "--root",
                    str(self._root),
                    "import",
                    "-q",
                    str(archive),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(chance.uniform(0.1, 1.5))
            if process.poll() is None:
                process.kill()
                self.figures.killed += 1
            process.wait()

    def _back_up(self) -> None:
        """Make backups, restore each into a new store, lose its catalogue, and rescue it."""
        backups, copy = self._folder / "backups", self._folder / "copy"
        while self._goes_on():
            with self._lock:
                before = dict(self._expected)
            self._command("backup", "-q", "--keep", "3", str(backups))
            with self._lock:
                needed = {
                    name: digest
                    for name, digest in before.items()
                    if self._expected.get(name) == digest
                }
            self._command("backup", "-q", "--verify", str(backups))
            self._command("restore", "-q", str(backups), root=copy)
            _require(copy, needed)
            for path in copy.glob("store.db*"):
                path.unlink()
            self._command("rescue", "-q", root=copy)
            _require(copy, needed)
            shutil.rmtree(copy)
            time.sleep(min(_BACKUP_INTERVAL_S, max(0.0, self._ends_at - time.monotonic())))

    # --- the end ----------------------------------------------------------------------------------

    def _check(self) -> None:
        """Check that everything acknowledged is there and readable, and that nothing is damaged."""
        try:
            _require(self._root, self._expected)
            collected(self._root)
        except AssertionError as exc:
            self._fail(str(exc))


def _require(root: Path, expected: Mapping[str, str]) -> None:
    """Check that a store has all of these names, that they can be read, and that it is sound.

    Args:
        root: The store.
        expected: The digest of the manifest of each name; ``image`` for any.
    """
    with Store.open(root) as store:
        shown = {
            line.split(" ")[1]: line.split(" ")[2]
            for line in seen_in(store).facts
            if line.startswith("tag ")
        }
        require_sound(store)
    for name, digest in expected.items():
        found = shown.get(name)
        assert found is not None, f"{root.name}: {name} was acknowledged and is gone"
        assert digest in ("image", str(Digest.parse(found))), f"{name} names {found}"

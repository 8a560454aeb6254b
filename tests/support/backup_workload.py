"""A program that changes a store until it is told to stop: ``python backup_workload.py KIND …``.

Each kind imports, pushes, removes or collects. The program ends when the file STOP exists.
"""

from __future__ import annotations

import io
import random
import sys
from pathlib import Path

from store import Store
from store.errors import Conflict, NotFound
from store.registry.registry import Registry
from tests.support.images import image, layer
from tests.support.registry_pushes import push_image, squeezed


def act(kind: str, store: Store, seed: random.Random) -> None:
    """Change the store once."""
    if kind == "gc":
        store.collect(dangling=True, end_grace=True)
        return
    if kind == "rm":
        names = [str(name.reference) for one in store.images() for name in one.references]
        try:
            store.remove(seed.choice(names or ["none:1"]), force=True)
        except (NotFound, Conflict):
            return
        return
    # A few layers come and go, so that they are often stored while they are collected.
    layers = [layer(f"{seed.randrange(30)}", b"x" * 5000) for _ in range(2)]
    if kind == "push":
        push_image(Registry(store), *((one, squeezed(one)) for one in layers), tags=("1",))
        return
    name = f"app{seed.randrange(20)}:1"
    store.import_archive(io.BytesIO(image(*layers, tags=(name,)).bytes()))


def main(kind: str, root: str, stop: str, number: str) -> None:
    """Change the store until the file ``stop`` exists; then print how often that was done.

    After the first change, the file ``stop``.``number`` exists.
    """
    seed, done = random.Random(int(number)), 0
    with Store.open(Path(root)) as store:
        while not Path(stop).exists():
            act(kind, store, seed)
            done += 1
            Path(f"{stop}.{number}").touch()
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

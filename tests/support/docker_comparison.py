"""A comparison of how Docker Engine and storectl load and save the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from tests.support.archives import PackedImage, pack
from tests.support.engine import EngineError, EngineRefusal
from tests.support.images import digest
from tests.support.saved_archives import difference, saved_names
from tests.support.storectl_adapter import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.configs import ImageCase
    from tests.support.engine import Engine
    from tests.support.storectl_adapter import Storectl

BATCH: Final = 40
"""The number of images per archive, so that one request to the engine loads many images."""


@final
@dataclass(frozen=True, slots=True)
class Disagreement:
    """An image about which Docker and storectl differ."""

    case: ImageCase
    what: str

    def __str__(self) -> str:
        layers = ", ".join(
            f"{digest(layer)[7:19]} ({len(layer)} bytes)" for layer in self.case.layers
        )
        return f"{self.what}\n  config {self.case.config!r}\n  layers {layers}"


class ImageComparison:
    """A comparison of images by name; each image gets a tag that is new to Docker and storectl."""

    def __init__(self, engine: Engine, storectl: Storectl) -> None:
        self._engine = engine
        self._storectl = storectl
        self._count = 0
        self.compared = 0
        self.loaded: list[str] = []
        """The names of the images that Docker and storectl have both loaded."""

    def _names(self, count: int) -> list[str]:
        first = self._count
        self._count += count
        return [f"generated/image:{number}" for number in range(first, first + count)]

    def _docker_verdicts(self, named: Sequence[tuple[str, ImageCase]]) -> dict[str, str | None]:
        """Return for each name why Docker refuses the image, or None if Docker loads it.

        A load stops at the first image that Docker refuses. Docker keeps the images before it and
        has printed their lines, so that the next load begins after the refused image.
        """
        verdicts: dict[str, str | None] = {}
        rest = list(named)
        while rest:
            messages = self._engine.load(
                pack([PackedImage(case.config, case.layers, (name,)) for name, case in rest])
            )
            errors = [message["error"] for message in messages if "error" in message]
            loaded = sum(
                1 for message in messages if message.get("stream", "").startswith("Loaded image: ")
            )
            verdicts |= dict.fromkeys((name for name, _ in rest[:loaded]), None)
            rest = rest[loaded:]
            if bool(errors) != bool(rest):
                raise EngineError(f"cannot tell what the engine loaded: {messages}")
            if rest:
                verdicts[rest.pop(0)[0]] = errors[0]
        return verdicts

    def _compare(self, name: str, case: ImageCase, docker: str | None) -> str | None:
        """Return how storectl's verdict on an image differs from Docker's, ``docker``, or None."""
        try:
            self._storectl.load_images([PackedImage(case.config, case.layers, (name,))])
        except Refused as refusal:
            return None if docker is not None else f"Docker loads it, storectl refuses: {refusal}"
        except Exception as exc:  # noqa: BLE001 - any exception is a finding
            return f"storectl breaks: {exc!r}"
        if docker is not None:
            return f"storectl loads it, Docker refuses: {docker}"
        theirs, ours = self._engine.inspect(name)["Id"], self._storectl.image_id(name)
        if theirs != ours:
            return f"image ID: Docker {theirs}, storectl {ours}"
        return self._compare_saves([name])

    def _compare_saves(self, names: Sequence[str]) -> str | None:
        """Return how the saves of ``names`` differ, or None; storectl saves in Docker's order."""
        docker = refusal = None
        try:
            docker = self._engine.save(names)
        except EngineRefusal as exc:
            refusal = str(exc)
        try:
            ours = self._storectl.save(names if docker is None else saved_names(docker))
        except Refused as exc:
            return f"Docker saves it, storectl refuses: {exc}" if docker is not None else None
        except Exception as exc:  # noqa: BLE001 - any exception is a finding
            return f"storectl breaks when saving: {exc!r}"
        return (
            difference(docker, ours)
            if docker is not None
            else f"storectl saves it, Docker refuses: {refusal}"
        )

    def compare(self, cases: Sequence[ImageCase]) -> list[Disagreement]:
        """Return the images about which Docker and storectl differ."""
        found = []
        for start in range(0, len(cases), BATCH):
            batch = cases[start : start + BATCH]
            named = list(zip(self._names(len(batch)), batch, strict=True))
            verdicts = self._docker_verdicts(named)
            self.compared += len(batch)
            for name, case in named:
                what = self._compare(name, case, verdicts[name])
                if what is not None:
                    found.append(Disagreement(case, what))
                elif verdicts[name] is None:
                    self.loaded.append(name)
        return found

    def compare_joint_save(self, names: Sequence[str]) -> str | None:
        """Save loaded images together; return how the two archives differ, or None."""
        return self._compare_saves(names)

"""The inputs of the cases, created on first use and kept in a cache."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from bench.corpora import debian
from bench.corpora.catalogue import MILLION, SMALL, THOUSANDS, build
from bench.corpora.generated import GIB, MIB, ImageSpec, LayerSpec, write_archive
from bench.workshop import program

if TYPE_CHECKING:
    from pathlib import Path

    from bench.workshop import Workshop

QUICK_IMAGE: Final = "bench/quick:1"
_DOCUMENT_BYTES: Final = 16 * 1024
"""The size limit that tells layers from configs and manifests: only layers are larger.

One layer is below the limit as well: a script of a few bytes. Decoding this layer costs nothing.
"""


class Inputs:
    """The inputs of the cases.

    Most inputs of a quick run are smaller: at most about an eighth of the size.
    """

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._mark = "quick-" if shop.quick else ""

    @property
    def image(self) -> str:
        """The name of the image in `real`."""
        return QUICK_IMAGE if self._shop.quick else debian.IMAGE

    def real(self) -> Path:
        """Return a docker archive with a real image: Debian with layers of packages, about 900 MB.

        For a quick run, return an archive with a generated image of 96 MiB in 7 layers.
        """
        if not self._shop.quick:
            return self._shop.cached(
                "debian.tar", lambda path: debian.build(self._shop.folder(), path)
            )
        sizes = (24, 20, 18, 14, 12, 6, 2)
        layers = tuple(LayerSpec(seed, size * MIB) for seed, size in enumerate(sizes))
        return self._shop.cached(
            "quick-real.tar", lambda path: write_archive(path, [ImageSpec(QUICK_IMAGE, layers)])
        )

    def real_outer_gzip(self) -> Path:
        """Return the archive of `real`, compressed as a whole by gzip."""
        source = self.real()

        def make(path: Path) -> None:
            with path.open("wb") as sink:
                subprocess.run(["gzip", "-6", "-c", str(source)], check=True, stdout=sink)

        return self._shop.cached(f"{self._mark}real.tar.gz", make)

    def real_layout(self, codec: str) -> Path:
        """Return an image layout that skopeo has written, with the image of `real`.

        Args:
            codec: The compression of the layers, gzip or zstd, at skopeo's default level.
        """
        source = self.real()

        def make(path: Path) -> None:
            options = ["copy", "-q", "--insecure-policy", "--dest-compress-format", codec]
            subprocess.run(
                [
                    program("skopeo"),
                    *options,
                    f"docker-archive:{source}",
                    f"oci:{path}:{self.image}",
                ],
                check=True,
            )

        return self._shop.cached(f"{self._mark}real-{codec}", make)

    def real_oci(self, codec: str) -> Path:
        """Return `real_layout` as a tar archive sorted by name, with the blobs before the index."""
        layout = self.real_layout(codec)

        def make(path: Path) -> None:
            subprocess.run(
                [
                    "tar",
                    "--sort=name",
                    "-C",
                    str(layout),
                    "-cf",
                    str(path),
                    "blobs",
                    "index.json",
                    "oci-layout",
                ],
                check=True,
            )

        return self._shop.cached(f"{self._mark}real-{codec}.tar", make)

    def oci_blobs(self, codec: str) -> list[Path]:
        """Return the files of the layers in `real_layout`."""
        layout = self.real_layout(codec)
        return [
            path
            for path in sorted((layout / "blobs" / "sha256").iterdir())
            if path.stat().st_size > _DOCUMENT_BYTES
        ]

    def many_layers(self) -> Path:
        """Return a docker archive with 125 layers of 64 KiB."""
        layers = tuple(LayerSpec(1000 + index, MIB // 16) for index in range(125))
        return self._shop.cached(
            "many-layers.tar", lambda path: write_archive(path, [ImageSpec("bench/many:1", layers)])
        )

    def huge_layer(self) -> Path:
        """Return a docker archive with one layer of 4 GiB, or 256 MiB in a quick run."""
        size = 256 * MIB if self._shop.quick else 4 * GIB
        spec = ImageSpec("bench/huge:1", (LayerSpec(7, size, one_file=True),))
        return self._shop.cached(f"{self._mark}huge.tar", lambda path: write_archive(path, [spec]))

    def family(self) -> Path:
        """Return a docker archive of 200 images (quick run: 20) that share one base of 16 MiB.

        Each image has 256 KiB of its own.
        """
        count = 20 if self._shop.quick else 200
        base = (LayerSpec(2000, 12 * MIB), LayerSpec(2001, 4 * MIB))
        images = [
            ImageSpec(f"bench/family:{index}", (*base, LayerSpec(3000 + index, MIB // 4)))
            for index in range(count)
        ]
        return self._shop.cached(
            f"{self._mark}family.tar", lambda path: write_archive(path, images)
        )

    def noise(self) -> Path:
        """Return a docker archive with 512 MiB (quick run: 64 MiB) of noise."""
        size = 64 * MIB if self._shop.quick else 512 * MIB
        spec = ImageSpec("bench/noise:1", (LayerSpec(9, size, noise=1, one_file=True),))
        return self._shop.cached(f"{self._mark}noise.tar", lambda path: write_archive(path, [spec]))

    def crowd(self) -> Path:
        """Return a store of a million names (quick run: 10,000). The caller must not change it."""
        scale = SMALL if self._shop.quick else MILLION
        return self._shop.cached(f"{self._mark}crowd", lambda path: build(path, scale))

    def thousands(self) -> Path:
        """Return a store of 10,000 images with one name each. The caller must not change it."""
        return self._shop.cached("thousands", lambda path: build(path, THOUSANDS))

    def tiny(self) -> Path:
        """Return a docker archive with one layer of 64 KiB."""
        return self._shop.cached(
            "tiny.tar",
            lambda path: write_archive(
                path, [ImageSpec("bench/tiny:1", (LayerSpec(1, MIB // 16),))]
            ),
        )

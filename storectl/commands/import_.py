"""``import`` (``load``): images from archives into the store."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, final

import click

from storectl.commands._ceilings import Size, limits
from storectl.commands._import_reports import ArchiveResult
from storectl.commands._registry_trees import (
    TreeSource,
    import_tree,
    parsed_tree,
)
from storectl.system.completion import platforms, values
from storectl.system.groups import shared_option
from storectl.system.parameters import FilePath, WholeNumber
from storectl.system.pipes import widen
from storectl.verb import Verb, checked_by, checked_platform, checked_tag, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from store import Choice, ImportOptions, Store
    from store.errors import StoreError
    from store.model.progress import Progress
    from storectl.commands._registry_trees import TreeResult
    from storectl.settings import Settings


def _compression(text: str) -> object:
    from store import Compression  # noqa: PLC0415 - `--help` does without

    return Compression.parse(text)


def _prefix(text: str) -> object:
    from store.errors import InvalidReference  # noqa: PLC0415 - `--help` does without
    from store.model.references import Repository  # noqa: PLC0415

    try:
        return text and Repository.parse(f"{text.rstrip('/')}/image")
    except InvalidReference as error:
        error.message = f"invalid prefix: {text!r}"
        error.hint = "expected a registry or a path in lower case, for example quay.io/team"
        raise


def _pattern(text: str) -> object:
    from store.formats.golang.path_match import compile_pattern  # noqa: PLC0415

    return compile_pattern(text)


@click.command(
    "import",
    cls=Verb,
    examples=(
        "docker save debian:12 | storectl import -",
        "storectl import base.tar app.tar.zst layout/",
        "storectl import --dry-run --image 'team/**' --platform linux/arm64 bundle.tar",
        "storectl import --prefix registry.example registry-tree:/var/lib/registry",
    ),
)
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress and notes.")
@click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="FILE",
    type=FilePath(dash=True),
    help="Read this archive before any SOURCE (repeatable).",
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH",
    shell_complete=platforms,
    callback=checked_platform,
    help="Import only images for this platform (repeatable).",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="NAME",
    callback=checked_by(_pattern),
    help=(
        "Import only images with this name, pattern or ID (repeatable). In a pattern, `*` matches"
        " no slash, and `**` matches any parts: `team/**`."
    ),
)
@click.option(
    "--tag",
    metavar="NAME",
    callback=checked_tag,
    help="Give the archive's only image this tag instead of the archive's own.",
)
@click.option(
    "--prefix",
    default="",
    metavar="NAME",
    callback=checked_by(_prefix),
    help=(
        "Put NAME/ before every name: `--prefix team` turns app:1 into team/app:1. A tag"
        " without a name (1) becomes NAME:1."
    ),
)
@click.option("--no-tags", is_flag=True, help="Do not tag the images.")
@click.option("--no-clobber", is_flag=True, help="Fail if a tag already names another image.")
@click.option("--require-all", is_flag=True, help="Fail if content that an index lists is missing.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Read and check the archives and show what would be imported; change nothing.",
)
@click.option(
    "--keep-going",
    is_flag=True,
    help=(
        "If an archive cannot be imported, go on with the next one; the exit code is that of the"
        " first failure."
    ),
)
@click.option(
    "--compression",
    default="zstd",
    show_default=True,
    metavar="HOW",
    shell_complete=values("zstd", "zstd:1", "zstd:19", "none"),
    callback=checked_by(_compression),
    help="Compression for uncompressed layers: none, zstd or zstd:LEVEL (1 to 19).",
)
@click.option(
    "--max-layer-size",
    type=Size(),
    metavar="SIZE",
    help="Refuse layers with a larger uncompressed size.  [default: 1024GiB]",
)
@click.option(
    "--max-ratio",
    type=WholeNumber(min=1),
    metavar="NUMBER",
    help=(
        "Refuse archives and layers that decompress to more than NUMBER bytes for each byte, once"
        " they have 64 MiB.  [default: 1000]"
    ),
)
@click.option(
    "--link",
    is_flag=True,
    help=(
        "From registry-tree:, make hard links where the file system cannot share blocks, of files"
        " that only you and root can change."
    ),
)
@shared_option
@json_option
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=FilePath(dash=True))
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    quiet: bool,
    inputs: tuple[str, ...],
    platforms: tuple[str, ...],
    images: tuple[str, ...],
    tag: str | None,
    prefix: str,
    no_tags: bool,
    no_clobber: bool,
    require_all: bool,
    dry_run: bool,
    keep_going: bool,
    compression: str,
    max_layer_size: int | None,
    max_ratio: int | None,
    link: bool,
    group: int | None,
    as_json: bool,
    sources: tuple[str, ...],
) -> None:
    """Load images from archives.

    You can import archives of `docker save`, podman, skopeo, buildah and ctr, OCI image layouts,
    and skopeo's `dir:` folders, compressed or not. Without a SOURCE, or with `-`, the command reads
    standard input.

    Each archive is imported completely or not at all, and digests do not change. The archive need
    not contain layers that the store already has, and these are not read again from a file.

    If an archive cannot be imported, the error lists the archives that were imported before it, and
    the archives that were not tried.

    `registry-tree:DIR[:NAME]` reads the files of a registry (distribution, Harbor, GitLab), with
    all tags, manifests and referrers, or those of one repository or image. Broken images are left
    out and reported; the exit code is then 5. Each repository is imported by itself.
    """
    from store import Compression, ImportOptions  # noqa: PLC0415 - `--help` does without
    from store.errors import StoreError  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.exit_codes import ExitCode, exit_code  # noqa: PLC0415
    from storectl.output.failures import print_error  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415
    from storectl.system.malloc import keep_freed  # noqa: PLC0415

    keep_freed()
    options = ImportOptions(
        compression=Compression.parse(compression),
        limits=limits(max_layer_size, max_ratio),
        choice=_choice(platforms, images, tag, prefix, no_tags=no_tags, require_all=require_all),
        clobber=not no_clobber,
        dry_run=dry_run,
    )
    opened = _open(inputs + sources or ("-",))
    run = _Run([name for name, _ in opened], dry_run=dry_run)
    try:
        with _opened_store(settings, opened, options, group=group) as store:
            for position, (name, source) in enumerate(opened):
                try:
                    with progress(quiet=quiet or as_json) as bars:
                        done = _import(store, name, source, options, bars, link=link)
                except StoreError as error:
                    run.fail(position, error)
                    if not keep_going:
                        error.message += run.rest()
                        raise
                    print_error(error)
                    continue
                run.done[position] = done.as_json(name)
                run.losses += done.losses
                if not as_json:
                    done.show(quiet=quiet)
    finally:
        # The archives before the refused archive have been imported.
        if as_json and (run.done or len(opened) > 1):
            render.document(run.as_json())
    if run.first is not None:
        render.line(
            f"{len(run.done)} of {len(opened)} archives were"
            f" {'checked' if dry_run else 'imported'}",
            err=True,
        )
        click.get_current_context().exit(exit_code(run.first))
    if run.losses:
        click.get_current_context().exit(ExitCode.CORRUPT)


def _import(
    store: Store,
    name: str,
    source: Path | BinaryIO | TreeSource,
    options: ImportOptions,
    bars: Progress,
    *,
    link: bool,
) -> ArchiveResult | TreeResult:
    if isinstance(source, TreeSource):
        return import_tree(store, source, options, bars, link=link)
    report = store.import_archive(source, replace(options, source_name=name), bars)
    return ArchiveResult(report, is_dry_run=options.dry_run)


@final
class _Run:
    """What became of each source of a command.

    Args:
        names: The sources, in their order.
        dry_run: Whether they are only checked.

    Attributes:
        done: The reports of the archives that were imported, as JSON.
        first: The first error; None if there was none.
        losses: The number of findings that are a loss, in the files of registries.
    """

    def __init__(self, names: list[str], *, dry_run: bool) -> None:
        self.done: dict[int, dict[str, Any]] = {}
        self.first: StoreError | None = None
        self.losses = 0
        self._names = names
        self._dry_run = dry_run
        self._failed: dict[int, dict[str, Any]] = {}

    def fail(self, position: int, error: StoreError) -> None:
        """Record the error of a source, and name the source in it."""
        from store.errors import printable  # noqa: PLC0415 - only after an error
        from storectl.commands._sources import absent_source  # noqa: PLC0415
        from storectl.output.exit_codes import exit_code  # noqa: PLC0415
        from storectl.output.remedies import hints  # noqa: PLC0415

        name = self._names[position]
        shown = "standard input" if name == "-" else name
        reason = error.message
        for one in (name, printable(str(Path(name)))):
            reason = reason.removeprefix(f"{one}: ").removeprefix(f"cannot read {one}: ")
        if reason == "no such file":
            error.hint = absent_source(name)
        error.message = f"cannot import {shown}: {reason}"
        self.first = self.first or error
        self._failed[position] = {
            "Message": error.message,
            "Hints": list(hints(error)),
            "ExitCode": int(exit_code(error)),
        }

    def rest(self) -> str:
        """Return lines with the sources that were imported, and the sources that were not tried."""
        tried = self.done.keys() | self._failed.keys()
        lines = (
            ("checked" if self._dry_run else "imported", self.done),
            ("not tried", [at for at in range(len(self._names)) if at not in tried]),
        )
        return "".join(
            f"\n  {what}: {' '.join(self._names[at] for at in places)}"
            for what, places in lines
            if places
        )

    def as_json(self) -> list[dict[str, Any]]:
        """Return an object for each source, in the order of the sources."""
        return [
            self.done[at]
            if at in self.done
            else {"Source": name, "Error": self._failed.get(at), "Tried": at in self._failed}
            for at, name in enumerate(self._names)
        ]


def _choice(
    platforms: tuple[str, ...],
    images: tuple[str, ...],
    tag: str | None,
    prefix: str,
    *,
    no_tags: bool,
    require_all: bool,
) -> Choice:
    from store import Choice, Platform, Reference  # noqa: PLC0415 - `--help` does without

    if no_tags and (tag or prefix):
        raise click.UsageError("--no-tags excludes --tag and --prefix")
    if tag and prefix:
        raise click.UsageError("--tag and --prefix exclude each other")
    name = None if tag is None else Reference.parse(tag).with_default_tag()
    return Choice(
        tuple(Platform.parse(text) for text in platforms),
        images,
        name,
        prefix,
        no_tags,
        require_all,
    )


@contextmanager
def _opened_store(
    settings: Settings,
    sources: Sequence[tuple[str, Path | BinaryIO | TreeSource]],
    options: ImportOptions,
    *,
    group: int | None,
) -> Iterator[Store]:
    """Open the store, or create it; without a store, a dry run gets an empty temporary one.

    So does an import that refuses all of its sources: a mistake creates no store.
    """
    from store.errors import StoreNotFound  # noqa: PLC0415

    try:
        opened = settings.open(group=None if options.dry_run else group)
    except StoreNotFound:
        if not options.dry_run and not all(_is_refused(source, options) for _, source in sources):
            with settings.open(create=True, group=group) as store:
                yield store
            return
        with (
            TemporaryDirectory(prefix="storectl-dry-run-") as folder,
            replace(settings, root=Path(folder)).open(create=True, on_create=_say_nothing) as store,
        ):
            yield store
        return
    with opened:
        yield opened


def _say_nothing(_root: Path) -> None:
    """Do not announce a temporary store."""


def _is_refused(source: Path | BinaryIO | TreeSource, options: ImportOptions) -> bool:
    """Return whether the import certainly refuses a source, before its layers are read."""
    from store.previews.reading import is_refused  # noqa: PLC0415 - only without a store

    if isinstance(source, TreeSource):
        return source.is_refused()
    if isinstance(source, Path):
        return is_refused(source, options.limits, options.choice)
    # Only the buffer is looked at, so the import gets all bytes.
    return isinstance(source, BufferedReader) and not source.peek(1)


def _open(names: tuple[str, ...]) -> list[tuple[str, Path | BinaryIO | TreeSource]]:
    if names.count("-") > 1:
        raise click.UsageError("standard input (-) can be read only once")
    return [
        (name, _standard_input() if name == "-" else parsed_tree(name) or Path(name))
        for name in names
    ]


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise click.UsageError(
            "cannot read an archive from standard input: it is closed. Name a file, or redirect"
            " standard input."
        )
    if sys.stdin.isatty():
        raise click.UsageError(
            "cannot read an archive from standard input: it is a terminal. Name a file, or"
            " redirect standard input."
        )
    widen(sys.stdin.buffer)
    return sys.stdin.buffer

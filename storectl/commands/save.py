"""``save`` (``export``): archives out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from storectl.completing import image_names
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storectl.settings import Settings


@click.command("save", cls=Verb, examples=("storectl save -o images.tar debian:12 team/app", "storectl save debian:12 | docker load"))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Write to this file instead of standard output; it appears when it is whole.",
)
@click.option("--format", "format_", type=click.Choice(["legacy"]), default="legacy", show_default=True, help="The archive's format.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks.")
@json_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def command(settings: Settings, *, output: str | None, format_: str, quiet: bool, as_json: bool, names: tuple[str, ...]) -> None:
    """Write images to one archive, just as `docker save` does; a name without a tag means all its tags.

    Every byte is checked against its digest on the way. --json needs -o, for standard output is the archive.
    """
    path = None if output in (None, "-") else Path(str(output))
    if path is None and as_json:
        raise click.UsageError("--json needs -o FILE: standard output is the archive")
    if path is None and sys.stdout is None:
        raise click.UsageError("standard output is closed. Use the -o flag or redirect.")
    if path is None and sys.stdout.isatty():
        raise click.UsageError("Cowardly refusing to save to a terminal. Use the -o flag or redirect.")
    import exporter  # noqa: PLC0415 - `--help` does without
    from storectl import render  # noqa: PLC0415
    from storectl.progress import progress  # noqa: PLC0415

    with settings.open() as store, exporter.open_save(store, names, format=format_) as export:
        if not quiet:
            for note in export.notes:
                render.line(f"note: {note}", err=True)
        with _standard_output() if path is None else exporter.atomic_file(path) as sink, progress(quiet=quiet or as_json) as bars:
            export.write(sink, bars)
    if as_json:
        render.document({"output": output, "format": format_, "images": [str(image) for image in export.images], "size": export.size_bytes})


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    from store.oserrors import translated  # noqa: PLC0415 - `--help` does without

    with translated("standard output"):
        # Unbuffered: an archive comes in large pieces.
        yield getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)

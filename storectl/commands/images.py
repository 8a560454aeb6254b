"""``images`` (``ls``): the list of images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, final

import click

from storectl.commands._archives import archive_argument, explained, suggest_path
from storectl.commands._platform import platform_choice, platform_option
from storectl.output.rows import format_option, show
from storectl.output.units import human_age, human_size
from storectl.system.completion import IMAGE, image_names
from storectl.system.completion import filters as filter_values
from storectl.system.parameters import WholeNumber
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from store import Store
    from store.queries.results import ImageFilter, ImageSummary, ManifestSummary
    from storectl.commands._archives import ArchiveArgument
    from storectl.commands._described_places import PlaceArgument
    from storectl.settings import Settings

HEADS: Final = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
}
_MORE_HEADS: Final = {
    "Containers": "CONTAINERS",
    "CreatedAt": "CREATED AT",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "SIZE",
}
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


@click.command(
    "images",
    cls=Verb,
    examples=(
        "storectl images --digests",
        "storectl images --filter label=stage=prod --filter reference='team/*'",
        "storectl images --format '{{.Repository}}:{{.Tag}}'",
        "storectl images --limit 50 --after debian:12",
        "storectl images --tree",
    ),
)
@click.option(
    "-a",
    "--all",
    "everything",
    is_flag=True,
    help="Show all images (default hides untagged parents of other images).",
)
@click.option("--digests", is_flag=True, help="Show manifest digests.")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=filter_values(
        reference=(IMAGE,), label=(), dangling=("true", "false"), before=(IMAGE,), since=(IMAGE,)
    ),
    help=(
        "Filter output: reference=PATTERN, label=KEY[=VALUE], dangling=BOOL, before=IMAGE or"
        " since=IMAGE (repeatable)."
    ),
)
@click.option(
    "--limit",
    type=WholeNumber(min=1),
    metavar="N",
    help="Show at most N images: one page of the list.",
)
@click.option(
    "--after",
    metavar="IMAGE",
    shell_complete=image_names,
    help="Start after this image, the last image of the previous page.",
)
@click.option(
    "--tree", is_flag=True, help="List the platforms of each index beneath it, with their sizes."
)
@click.option("--no-trunc", is_flag=True, help="Do not truncate IDs.")
@click.option("-q", "--quiet", is_flag=True, help="Only show image IDs.")
@platform_option
@format_option
@json_option
@click.argument("name", required=False, metavar="[REPOSITORY[:TAG]]", shell_complete=image_names)
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    everything: bool,
    digests: bool,
    filters: tuple[str, ...],
    limit: int | None,
    after: str | None,
    tree: bool,
    no_trunc: bool,
    quiet: bool,
    platform: str | None,
    format_: str,
    as_json: bool,
    name: str | None,
) -> None:
    """List images, newest first, like `docker images`.

    With the path of an archive or a folder, as for `storectl inspect`, list its images without
    importing them. Sizes are those of the layers in the archive, compressed or not.
    `registry-tree:DIR[:NAME]` lists the images with tags in the files of a registry.

    Artifacts follow the images. The ID of an artifact is the digest of its manifest.

    --limit N shows one page of a long list. --after with the last ID of that page shows the next
    page. The time for a page depends on its length and not on the size of the store. The same is
    true of a list of one name, or of names with a common beginning.
    """
    from dataclasses import replace  # noqa: PLC0415 - `--help` does without

    archive = None if name is None else _elsewhere(settings, name)
    if tree and (quiet or digests or as_json or limit is not None or after is not None):
        raise click.UsageError("--tree excludes --quiet, --digests, --json, --limit and --after")
    if tree and archive is not None:
        raise click.UsageError("--tree needs a list of the store, not of an archive")
    chosen = replace(
        parse_filters(filters, None if archive else name, everything=everything),
        limit=limit,
        after=after,
        choice=platform_choice(settings, platform),
        with_manifests=as_json,
    )
    if tree:
        from storectl.commands._image_tree import (  # noqa: PLC0415 - `--help` does without
            HEADS as TREE_HEADS,
        )
        from storectl.commands._image_tree import tree_rows  # noqa: PLC0415

        with explained(name or ""), settings.open() as store:
            entries = store.tree(chosen)
        drawn = format_ is None or format_.startswith("table")
        rows_of_tree = tree_rows(entries, settings.now(), no_trunc=no_trunc, drawn=drawn)
        show(format_, rows_of_tree, list(TREE_HEADS), TREE_HEADS)
        return
    form = _Form(format_, settings.now(), quiet, as_json, no_trunc, digests)
    if archive is not None:
        if after or chosen.before or chosen.since:
            raise click.UsageError(
                "--after and the filters before and since need a list of the store, not of an"
                " archive"
            )
        preview = archive.read(chosen.choice)
        found = chain(
            map(form.image, preview.image_list(chosen)),
            map(form.manifest, preview.manifest_list(chosen)),
        )
        form.show(islice(found, limit))
        return
    with explained(name or ""), settings.open() as store:
        listed = _listed(store, chosen, form)
        first = next(listed, None)
        if first is None and name:
            suggest_path(name)
        form.show(listed if first is None else chain((first,), listed))


def _elsewhere(settings: Settings, name: str) -> ArchiveArgument | PlaceArgument | None:
    """Return the archive or the files of a registry that an argument names; None for the store."""
    if "://" in name or name.startswith("docker-daemon:"):
        from store.errors import InvalidReference, printable  # noqa: PLC0415 - only for an error

        raise InvalidReference(
            f"cannot list the images of {printable(name)!r}: it is not a place that can be listed",
            text=name,
            hint="`storectl tags` lists a repository, and `storectl inspect` shows one image",
        )
    if not name.startswith("registry-tree:"):
        return archive_argument(name)
    from storectl.commands._described_places import (  # noqa: PLC0415 - one kind of places
        place_argument,
    )
    from storectl.commands._remote import RemoteOptions  # noqa: PLC0415

    return place_argument(settings, name, RemoteOptions(), is_list=True)


def _listed(store: Store, chosen: ImageFilter, form: _Form) -> Iterator[list[dict[str, Any]]]:
    """Yield what to show of each image, and then of each other manifest."""
    from dataclasses import replace  # noqa: PLC0415 - `--help` does without

    count = 0
    for image in store.each_image(chosen):
        count += 1
        yield form.image(image)
    left = None if chosen.limit is None else chosen.limit - count
    if left != 0:
        yield from map(form.manifest, store.manifests(replace(chosen, limit=left)))


@final
@dataclass(frozen=True, slots=True)
class _Form:
    """The form in which a list is shown.

    Each image becomes text as soon as it is read: only the text of a long list is in memory.

    Attributes:
        format: The value of ``--format``.
        now: The current time.
        quiet: Whether to show only IDs.
        as_json: Whether to show one JSON document.
        no_trunc: Whether to show whole IDs.
        each_digest: Whether to show digests, and each digest reference in a row of its own.
    """

    format: str
    now: datetime
    quiet: bool
    as_json: bool
    no_trunc: bool
    each_digest: bool

    def image(self, image: ImageSummary) -> list[dict[str, Any]]:
        """Return the JSON object or the rows of an image."""
        if self.as_json:
            return [_as_json(image)]
        from storectl.output.render import go_time  # noqa: PLC0415 - `--help` does without

        # The plain table does not show the time of creation, and a long list has many.
        created = "" if self.format == "table" else go_time(image.created)
        return _rows(image, self.now, created, no_trunc=self.no_trunc, each_digest=self.each_digest)

    def manifest(self, manifest: ManifestSummary) -> list[dict[str, Any]]:
        """Return the JSON object or the rows of an artifact, or of an index without an image."""
        if self.as_json:
            return [_manifest_as_json(manifest)]
        return _manifest_rows(manifest, no_trunc=self.no_trunc)

    def show(self, found: Iterable[list[dict[str, Any]]]) -> None:
        """Print what `image` and `manifest` returned."""
        from storectl.output import render  # noqa: PLC0415 - `--help` does without

        rows = chain.from_iterable(found)
        if self.as_json:
            render.documents(rows)
        elif self.quiet:
            render.lines(row["ID"] for row in rows)
        else:
            columns = [column for column in HEADS if self.each_digest or column != "Digest"]
            show(self.format, rows, columns, HEADS | _MORE_HEADS)


def parse_filters(filters: tuple[str, ...], name: str | None, *, everything: bool) -> ImageFilter:
    """Parse docker's ``--filter`` values.

    Args:
        filters: ``KEY=VALUE`` texts.
        name: The argument of the command, which filters like ``reference=NAME``.
        everything: Whether to include untagged images that other images are built on.

    Raises:
        click.UsageError: A filter is unknown, has no value or an invalid pattern, or is given twice
            although it may be given only once.
    """
    from store import ImageFilter  # noqa: PLC0415 - `--help` does without
    from store.errors import InvalidReference  # noqa: PLC0415
    from store.formats.golang.path_match import compile_pattern  # noqa: PLC0415
    from store.model.base_errors import is_text  # noqa: PLC0415

    values: dict[str, list[str]] = {
        "reference": [name] if name else [],
        "label": [],
        "dangling": [],
        "before": [],
        "since": [],
    }
    for text in filters:
        key, _, value = text.partition("=")
        if not value and key in values:
            raise click.UsageError(f"invalid filter {text!r}: the value is missing")
        if key not in values:
            raise click.UsageError(
                f"invalid filter {text!r}: expected one of {', '.join(values)}, as in"
                " reference=debian"
            )
        values[key].append(value)
    for text in values["label"]:
        if not is_text(text):
            raise click.UsageError(f"invalid filter 'label={text}': it is not UTF-8 text")
    if any(value.lower() not in _BOOLEANS for value in values["dangling"]):
        raise click.UsageError("invalid value of the filter dangling: expected true or false")
    for pattern in values["reference"]:
        try:
            compile_pattern(pattern)
        except InvalidReference as error:
            raise click.UsageError(f"{error.message}; {error.hint}") from None
    if any(len(values[key]) > 1 for key in ("before", "since")):
        raise click.UsageError("invalid filters: give before and since at most once each")
    return ImageFilter(
        references=tuple(values["reference"]),
        labels=tuple(values["label"]),
        dangling=_BOOLEANS[values["dangling"][-1].lower()] if values["dangling"] else None,
        before=next(iter(values["before"]), None),
        since=next(iter(values["since"]), None),
        include_intermediate=everything,
    )


def _rows(
    image: ImageSummary, now: datetime, created: str, *, no_trunc: bool, each_digest: bool
) -> list[dict[str, str]]:
    """Return a row with docker's fields for each tag, or one row for an untagged image.

    A repository that holds the image only by digest has a row without a tag.

    Args:
        image: The image.
        now: The current time.
        created: The time of creation as docker shows it.
        no_trunc: Whether to show whole IDs.
        each_digest: Whether each digest reference has a row of its own, beside the tags too.
    """
    from storectl.output.render import NONE  # noqa: PLC0415 - `--help` does without

    names = [
        (tagged.reference.repository.familiar, tagged.reference.tag or NONE, str(tagged.manifest))
        for tagged in image.references
    ]
    shown = set() if each_digest else {name for name, _, _ in names}
    for digest in image.digests:
        repository = digest.repository.familiar
        if repository not in shown:
            names.append((repository, NONE, str(digest.digest)))
            shown |= set() if each_digest else {repository}
    name = str(image.image_id) if no_trunc else image.image_id.digest.short
    ages = created, human_age(image.created, now)
    size = human_size(image.size_bytes)
    return [_row(name, tagged, ages, size) for tagged in names or [(NONE, NONE, NONE)]]


def _manifest_rows(manifest: ManifestSummary, *, no_trunc: bool) -> list[dict[str, str]]:
    from storectl.output.render import NONE, go_time  # noqa: PLC0415 - `--help` does without

    names = [
        (name.repository.familiar, name.tag or NONE, str(manifest.digest))
        for name in manifest.references
    ]
    name = str(manifest.digest) if no_trunc else manifest.digest.short
    size = human_size(manifest.size_bytes)
    return [
        _row(name, tagged, (go_time(None), "N/A"), size)
        for tagged in names or [(NONE, NONE, str(manifest.digest))]
    ]


def _row(
    name: str, tagged: tuple[str, str, str], ages: tuple[str, str], size: str
) -> dict[str, str]:
    repository, tag, digest = tagged
    return {
        "Containers": "N/A",
        "CreatedAt": ages[0],
        "CreatedSince": ages[1],
        "Digest": digest,
        "ID": name,
        "Repository": repository,
        "SharedSize": "N/A",
        "Size": size,
        "Tag": tag,
        "UniqueSize": "N/A",
        "VirtualSize": size,
    }


def _manifest_as_json(manifest: ManifestSummary) -> dict[str, Any]:
    return {
        "Digest": str(manifest.digest),
        "RepoTags": [name.familiar for name in manifest.references],
        "RepoDigests": sorted(
            {
                f"{name.repository.familiar}@{manifest.digest}"
                for name in (*manifest.references, *manifest.digests)
            }
        ),
        "Kind": manifest.kind,
        "MediaType": manifest.media_type,
        **({"ArtifactType": manifest.artifact_type} if manifest.artifact_type else {}),
        **({"Subject": str(manifest.subject)} if manifest.subject is not None else {}),
        "Size": manifest.size_bytes,
    }


def _as_json(image: ImageSummary) -> dict[str, Any]:
    from storectl.output.render import time  # noqa: PLC0415 - `--help` does without

    return {
        "Id": str(image.image_id),
        "RepoTags": [tagged.reference.familiar for tagged in image.references],
        "RepoDigests": sorted(
            {
                f"{tagged.reference.repository.familiar}@{tagged.manifest}"
                for tagged in image.references
            }
            | {name.familiar for name in image.digests}
        ),
        "Parent": "" if image.parent is None else str(image.parent),
        "Created": time(image.created),
        "Size": image.size_bytes,
        "Manifests": [{"Digest": str(digest)} for digest in image.manifests],
        "Dangling": image.dangling,
        "Intermediate": image.intermediate,
    }

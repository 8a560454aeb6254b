"""What `push` and `copy` share: their options, and what they print."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import click

from storectl.output import render
from storectl.output.remedies import note_lines
from storectl.system.completion import platforms
from storectl.system.parameters import FilePath, WholeNumber
from storectl.verb import checked_platform, json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from remote.copying.receivers import Receiver
    from remote.pushing.choice import Choice
    from remote.pushing.image import SentImage
    from remote.pushing.report import Delivered, Survey
    from store.formats.image.manifests import Document
    from store.model.digests import Descriptor, Digest

    Command = TypeVar("Command", bound=Callable[..., Any])

JOBS: Final = 6
_MAX_JOBS: Final = 64


@final
@dataclass(frozen=True, slots=True)
class SendingOptions:
    """The options that `push` and `copy` share."""

    platforms: tuple[str, ...]
    all_platforms: bool
    referrers: bool
    sparse: bool
    foreign_layers: bool
    jobs: int
    dry_run: bool
    digest_file: str | None
    quiet: bool
    as_json: bool

    def require_consistent(self) -> None:
        """Check that the options do not contradict each other.

        Raises:
            click.UsageError: They do.
        """
        if self.all_platforms and self.platforms:
            raise click.UsageError("--all-platforms and --platform exclude each other")
        if self.all_platforms and self.sparse:
            raise click.UsageError("--all-platforms and --sparse exclude each other")
        if len(self.platforms) > 1 and not self.sparse:
            raise click.UsageError(
                "several platforms need --sparse: it keeps the index, of which the registry then"
                " has only these platforms"
            )

    def choice(self, layers: str | None = None) -> Choice:
        """Return what of an image is sent.

        Args:
            layers: The encoding to give to layers; None to keep their encoding.
        """
        from exporter.options import Layers  # noqa: PLC0415 - `--help` does without
        from remote.pushing.choice import Choice  # noqa: PLC0415
        from store import Platform  # noqa: PLC0415

        return Choice(
            tuple(Platform.parse(text) for text in self.platforms),
            sparse=self.sparse,
            referrers=self.referrers,
            layers=None if layers is None else Layers(layers),
        )


def sending_options(*all_platforms: str) -> Callable[[Command], Command]:
    """Return a decorator that adds the options that `push` and `copy` share.

    `SendingOptions` takes the values of the options.

    Args:
        all_platforms: The names of the option for all platforms.
    """
    options = (
        click.option(
            "--platform",
            "platforms",
            multiple=True,
            metavar="OS/ARCH",
            shell_complete=platforms,
            callback=checked_platform,
            help=(
                "Send only the image for this platform, without its index. With --sparse, keep the"
                " index; then the option is repeatable."
            ),
        ),
        click.option(
            *all_platforms,
            "all_platforms",
            is_flag=True,
            help="Fail unless all platforms of an index can be sent (default).",
        ),
        click.option(
            "--referrers",
            is_flag=True,
            help="Also send signatures, attestations and other artifacts that refer to the image.",
        ),
        click.option(
            "--sparse",
            is_flag=True,
            help="Keep indexes unchanged, even if some of their images are missing or left out.",
        ),
        click.option(
            "--foreign-layers",
            is_flag=True,
            help="Also send layers that readers download from elsewhere.",
        ),
        click.option(
            "-j",
            "--jobs",
            type=WholeNumber(min=1, max=_MAX_JOBS),
            default=JOBS,
            show_default=True,
            help="How many blobs to send at once.",
        ),
        click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing."),
        click.option(
            "--digest-file",
            metavar="FILE",
            type=FilePath(),
            help="Write the digest of the image to this file.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Suppress progress and notes."),
        json_option,
    )

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@final
@dataclass(slots=True)
class Printer:
    """Prints what becomes of each blob, as docker does. On a terminal, the bars come first.

    Attributes:
        is_silent: Whether to print nothing.
    """

    is_silent: bool
    _waiting: list[str] = field(default_factory=list)

    def blob(self, blob: Descriptor, outcome: str, origin: str = "") -> None:
        """Print a line about a blob."""
        words = {"held": "Layer already exists", "mounted": f"Mounted from {origin}"}
        self._say(f"{blob.digest.short}: {words.get(outcome, 'Pushed')}")

    def tag(self, tag: str, document: Document) -> None:
        """Print the digest of a tag."""
        self._say(f"{tag}: digest: {document.digest} size: {len(document.data)}")

    def _say(self, text: str) -> None:
        if self.is_silent:
            return
        if sys.stderr is not None and sys.stderr.isatty():
            # The bars are on the same terminal.
            self._waiting.append(text)
        else:
            render.line(text)

    def flush(self) -> None:
        """Print the lines that waited for the end of the bars."""
        render.lines(self._waiting)
        self._waiting = []


async def send(image: SentImage, receiver: Receiver, options: SendingOptions) -> Outcome:
    """Send an image, or only ask what the receiver lacks.

    Args:
        image: The image.
        receiver: The receiver.
        options: Whether it is a dry run.
    """
    if options.dry_run:
        return Outcome(image, survey=await receiver.survey(image))
    return Outcome(image, delivered=await receiver.receive(image))


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What was sent, or would be sent.

    Attributes:
        image: The image.
        delivered: What was sent; None for a dry run.
        survey: What would be sent; None if it was sent.
    """

    image: SentImage
    delivered: Delivered | None = None
    survey: Survey | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user, one sentence each."""
        done = self.survey or self.delivered
        return (*self.image.notes, *(done.notes if done is not None else ()))

    def report(self, place: str, options: SendingOptions) -> None:
        """Print the outcome, and write the file with the digest.

        Args:
            place: The name of the receiver.
            options: How to print it.
        """
        if options.digest_file is not None and self.survey is None:
            from exporter import atomic_file  # noqa: PLC0415 - only with the option

            with atomic_file(Path(options.digest_file)) as file:
                file.write(str(self.image.root.digest).encode())
        if not (options.quiet or options.as_json):
            for line in note_lines(self.notes):
                render.line(line, err=True)
        if options.as_json:
            render.document(self._document(place))
        elif self.survey is not None:
            render.line(_dry_run(place, self.survey))
        elif options.quiet:
            render.line(place)

    def _document(self, place: str) -> dict[str, Any]:
        from store.model.digests import Descriptor  # noqa: PLC0415 - `--help` does without

        root, done = self.image.root, self.delivered
        found = self.survey or done
        assert found is not None  # noqa: S101 - it is either a dry run or not
        return delivery_json(
            place,
            Descriptor(root.media_type, root.digest, len(root.data)),
            sent=() if done is None else done.sent,
            mounted={} if done is None else done.mounted,
            held=found.held,
            missing=None if self.survey is None else self.survey.missing,
            tags={tag: document.digest for tag, document in found.tags.items()},
            moved_tags=found.moved_tags,
            notes=self.notes,
        )


def delivery_json(  # noqa: PLR0913 - one for each member
    place: str,
    root: Descriptor,
    *,
    held: Iterable[Descriptor],
    tags: Mapping[str, Digest],
    moved_tags: Iterable[str],
    notes: Iterable[str],
    sent: Iterable[Descriptor] = (),
    mounted: Mapping[Descriptor, str] = MappingProxyType({}),
    missing: Iterable[Descriptor] | None = None,
) -> dict[str, Any]:
    """Return the document of a copy to any place.

    Args:
        place: The name of the receiver.
        root: The manifest or index.
        held: The blobs that the receiver had.
        tags: The digests of the names that the image has there.
        moved_tags: Those of ``tags`` that named something else before, or nothing.
        notes: Facts that the user should know.
        sent: The blobs that were sent.
        mounted: The blobs that came from another repository there, with its name.
        missing: For a dry run, the blobs that would be sent; None if it was none.
    """
    absent, given = list(missing or ()), list(sent)
    return {
        "Destination": place,
        "Digest": str(root.digest),
        "MediaType": root.media_type,
        "Size": root.size_bytes,
        "DryRun": missing is not None,
        "Blobs": {
            "Sent": [str(blob.digest) for blob in given],
            "SentBytes": sum(blob.size_bytes for blob in given),
            "Mounted": [
                {"Digest": str(blob.digest), "From": origin} for blob, origin in mounted.items()
            ],
            "Held": [str(blob.digest) for blob in held],
            "Missing": [str(blob.digest) for blob in absent],
            "MissingBytes": sum(blob.size_bytes for blob in absent),
        },
        "Tags": {tag: str(digest) for tag, digest in tags.items()},
        "MovedTags": list(moved_tags),
        "Notes": list(notes),
    }


def _dry_run(place: str, survey: Survey) -> str:
    if survey.is_complete:
        return f"{place} has everything: nothing would be sent"
    from storectl.output.units import human_size  # noqa: PLC0415 - only for a dry run

    count = len(survey.missing)
    blobs = "1 blob" if count == 1 else f"{count} blobs"
    tags = f", and set {', '.join(survey.moved_tags)}" if survey.moved_tags else ""
    return (
        f"would send {blobs} ({human_size(survey.missing_bytes)}) and"
        f" {len(survey.absent)} manifests to {place}{tags}"
    )

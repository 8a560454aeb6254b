"""The files of a registry as a source of `import`, and the report of what is broken in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

from storectl.commands._import_reports import as_json, counts
from storectl.output.units import human_size

if TYPE_CHECKING:
    from pathlib import Path

    from remote.names import RegistryTree
    from store import ImportOptions, Store
    from store.importing.report import ImportReport, Inventory
    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.registry_tree.findings import Finding
    from store.registry_tree.run import TreeImport
    from store.registry_tree.selection import Wanted

PREFIX: Final = "registry-tree:"


@final
@dataclass(frozen=True, slots=True)
class TreeResult:
    """What became of the files of a registry.

    Attributes:
        report: What was imported; None for a dry run.
        found: The images that a dry run has found, with their names.
        findings: What is broken.
        dropped: The number of findings that were only counted.
        losses: The number of findings that are a loss of content.
        repositories: The number of repositories.
        cloned_bytes: The bytes that share their blocks with the registry's files.
        linked_bytes: The bytes of hard links.
        checked_bytes: The bytes that a dry run has read.
    """

    report: ImportReport | None
    found: tuple[tuple[Digest, tuple[str, ...]], ...]
    findings: tuple[Finding, ...]
    dropped: int
    losses: int
    repositories: int
    cloned_bytes: int
    linked_bytes: int
    checked_bytes: int

    def show(self, *, quiet: bool) -> None:
        """Print the images on standard output, and everything else on standard error.

        Args:
            quiet: Whether to print only the images and what is lost.
        """
        from storectl.output import render  # noqa: PLC0415 - `--help` does without

        render.lines(self._lines())
        for line in self.problems(quiet=quiet):
            render.line(line, err=True)
        if quiet:
            return
        if self.report is None:
            summary = (
                f"{self.repositories} repositories, {len(self.found)} image(s),"
                f" {human_size(self.checked_bytes)} checked"
            )
        elif not self.report.changed:
            summary = "nothing new: the store already has all sound content of this registry"
        else:
            summary = f"{counts(self.report)} stored{self._shared()}"
        render.line(summary, err=True)
        if self.losses:
            render.line(f"{self.losses} finding(s): what is broken was left out", err=True)

    def _lines(self) -> list[str]:
        if self.report is not None:
            return list(self.report.lines)
        return [
            line
            for digest, names in self.found
            for line in (
                [f"Would load image: {_familiar(name)}" for name in names]
                or [f"Would load manifest: {digest}"]
            )
        ]

    def _shared(self) -> str:
        kinds = (
            (self.cloned_bytes, "share their blocks with the registry's files"),
            (self.linked_bytes, "are hard links to the registry's files"),
        )
        return "".join(f"; {human_size(size)} {what}" for size, what in kinds if size)

    def problems(self, *, quiet: bool) -> list[str]:
        """Return what is broken, one sentence each.

        Args:
            quiet: Whether to leave out what is not a loss of content.
        """
        lines = []
        dead: Counter[str] = Counter()
        for one in self.findings:
            if one.is_loss:
                affected = f" [affects {', '.join(one.tags)}]" if one.tags else ""
                lines.append(f"broken: {one.repository}: {one.text}{affected}")
            elif one.kind == "dead-layer-link":
                dead[one.repository] += 1
            elif not quiet:
                place = f"{one.repository}: " if one.repository else ""
                lines.append(f"note: {place}{one.text}")
        if not quiet:
            lines += (
                f"note: {name}: {count} layer link(s) lead to absent blobs that no manifest needs"
                for name, count in dead.items()
            )
            if self.report is not None:
                lines += (f"note: {note}" for note in self.report.notes)
        if self.dropped:
            lines.append(f"{self.dropped} more finding(s) are not shown")
        return lines

    def as_json(self, source: str) -> dict[str, Any]:
        """Return the result as a JSON object.

        Args:
            source: The source, as the user wrote it.
        """
        found = (
            {
                "Source": source,
                "Images": [],
                "Tags": [
                    {"Name": _familiar(name), "Id": None, "Digest": str(digest), "Replaced": None}
                    for digest, names in self.found
                    for name in names
                ],
                "Notes": [],
                "Changed": False,
                "NewImages": 0,
                "NewLayers": 0,
                "NewBytes": 0,
                "ReadBytes": self.checked_bytes,
            }
            if self.report is None
            else as_json(source, self.report)
        )
        return found | {
            "Repositories": self.repositories,
            "ClonedBytes": self.cloned_bytes,
            "LinkedBytes": self.linked_bytes,
            "Losses": self.losses,
            "Findings": [
                {
                    "Kind": one.kind.value,
                    "IsLoss": one.is_loss,
                    "Repository": one.repository,
                    "Subject": one.subject,
                    "Digest": None if one.digest is None else str(one.digest),
                    "Tags": list(one.tags),
                    "Message": one.text,
                }
                for one in self.findings
            ],
            "DroppedFindings": self.dropped,
        }


@final
@dataclass(frozen=True, slots=True)
class TreeSource:
    """The files of a registry as a source.

    Attributes:
        path: The folder.
        wanted: The only repository or image; None for all.
    """

    path: Path
    wanted: Wanted | None

    @classmethod
    def of(cls, place: RegistryTree, *, is_one: bool = False) -> Self:
        """Return the source that a place is.

        Args:
            place: The folder, and the name in it.
            is_one: Whether it is one image: without a tag, the tag latest.

        Raises:
            InvalidReference: The name is not valid, or missing for one image.
        """
        from store.errors import InvalidReference, printable  # noqa: PLC0415
        from store.registry_tree.selection import Wanted  # noqa: PLC0415

        wanted = None if place.name is None else Wanted.parse(place.name)
        if is_one and wanted is None:
            raise InvalidReference(
                f"invalid image name {printable(str(place))!r}: it names no image",
                text=str(place),
                hint="expected registry-tree:DIR:NAME[:TAG]",
            )
        if is_one and wanted is not None and not wanted.is_one_image:
            wanted = Wanted(wanted.repository, "latest")
        return cls(place.path, wanted)

    def is_refused(self) -> bool:
        """Return whether the folder certainly has no files of a registry."""
        from store.errors import StoreError  # noqa: PLC0415 - `--help` does without
        from store.registry_tree.disk import Tree  # noqa: PLC0415

        try:
            Tree(self.path).close()
        except StoreError:
            return True
        return False


def parsed_tree(text: str) -> TreeSource | None:
    """Return the place that a source names, or None if it is not the files of a registry.

    Args:
        text: The source, as the user wrote it.

    Raises:
        InvalidReference: The text has the prefix, and is not such a place.
    """
    if not text.startswith(PREFIX):
        return None
    from remote.names import RegistryTree, parse_location  # noqa: PLC0415 - `--help` does without

    found = parse_location(text)
    assert isinstance(found, RegistryTree)  # noqa: S101 - by its prefix
    return TreeSource.of(found)


def import_tree(
    store: Store, source: TreeSource, options: ImportOptions, progress: Progress, *, link: bool
) -> TreeResult:
    """Import the files of a registry, or check them for a dry run.

    Args:
        store: The opened store.
        source: The folder, and the repository or image in it.
        options: How to import; ``choice.prefix`` is put before all names.
        progress: Receives the progress of each file.
        link: Whether to make hard links where the file system cannot share blocks.

    Raises:
        StoreError: The files cannot be read, or nothing was chosen.
    """
    from store.registry_tree.disk import Tree  # noqa: PLC0415 - `--help` does without
    from store.registry_tree.run import TreeImport, TreeOptions  # noqa: PLC0415

    with Tree(source.path) as tree:
        run = TreeImport(
            tree, TreeOptions(source.wanted, options.choice.prefix, link, options), progress
        )
        if options.dry_run:
            return _result(run, None, tuple(run.check()))
        return _result(run, _joined(list(run.run(store))), ())


def _result(
    run: TreeImport,
    report: ImportReport | None,
    found: tuple[tuple[Digest, tuple[str, ...]], ...],
) -> TreeResult:
    return TreeResult(
        report,
        found,
        tuple(run.findings.found),
        run.findings.dropped,
        run.findings.losses,
        run.repositories,
        run.sharing.cloned_bytes,
        run.sharing.linked_bytes,
        run.checked_bytes,
    )


def _joined(reports: list[ImportReport]) -> ImportReport:
    """Return one report for all transactions."""
    from store.importing.report import ImportReport  # noqa: PLC0415 - `--help` does without

    return ImportReport(
        images=tuple(dict.fromkeys(image for one in reports for image in one.images)),
        tags=tuple(tag for one in reports for tag in one.tags),
        lines=tuple(line for one in reports for line in one.lines),
        notes=tuple(dict.fromkeys(note for one in reports for note in one.notes)),
        changed=any(one.changed for one in reports),
        new_images=sum(one.new_images for one in reports),
        new_layers=sum(one.new_layers for one in reports),
        new_bytes=sum(one.new_bytes for one in reports),
        read_bytes=sum(one.read_bytes for one in reports),
        inventory=_joined_inventory([one.inventory for one in reports if one.inventory]),
    )


def _joined_inventory(parts: list[Inventory]) -> Inventory | None:
    """Return one inventory; what a transaction brought is not held although later ones find it."""
    from store.importing.report import Inventory  # noqa: PLC0415 - `--help` does without

    if not parts:
        return None
    new = {blob.digest: blob for one in parts for blob in one.new_blobs}
    held = {blob.digest: blob for one in parts for blob in one.held_blobs}
    return Inventory(
        tuple(dict.fromkeys(manifest for one in parts for manifest in one.manifests)),
        tuple(new.values()),
        tuple(blob for digest, blob in held.items() if digest not in new),
        {name: digest for one in parts for name, digest in one.tags.items()},
        tuple(dict.fromkeys(name for one in parts for name in one.moved_tags)),
    )


def _familiar(name: str) -> str:
    from store.model.references import Reference  # noqa: PLC0415 - `--help` does without

    return Reference.parse(name).familiar

"""The archive formats that can be imported: how to recognise and read each format.

From a file or folder, the documents are read first, and content that the store already has is not
read. From a pipe, all bytes are read and staged before the documents are known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidArchive, MissingMember, printable
from store.formats.archives import dir_tree, docker, docker_and_oci, docker_v1, oci_layout
from store.formats.archives.layout_documents import dir_blob_paths, oci_blob_paths
from store.formats.archives.roles import is_haul
from store.formats.archives.selection import choose
from store.formats.image.label_budget import LabelBudget
from store.formats.image.layout_names import INDEX, LAYOUT
from store.formats.tar.foreign import described
from store.importing.archive import ReadArchive
from store.importing.doubts import MAX_NOTES
from store.importing.image_layers import stage_image_layers, stage_v1_layers
from store.importing.manifest_blobs import ManifestBlobs
from store.importing.members.subfolder import SubfolderMembers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from store.errors import StoreError
    from store.formats.archives.claims import ArchiveClaim, Graph
    from store.formats.archives.layout_documents import BlobPaths
    from store.formats.image.described_image import NotAnImage
    from store.importing.archive import ArchiveInput
    from store.importing.members.members import Members
    from store.model.digests import Digest


_MAX_WRAPPING: Final = 1000
"""The longest path of a folder in which an archive is looked for, in characters."""


@final
@dataclass(frozen=True, slots=True)
class Reader:
    """An archive format: how to recognise it and how to read it.

    Attributes:
        recognises: Returns whether the members are an archive of this format.
        read: Reads the archive and stages the content that the store does not have; raises
            InvalidInput.
    """

    recognises: Callable[[Members], bool]
    read: Callable[[ArchiveInput], ReadArchive]


def read_archive(source: ArchiveInput) -> ReadArchive:
    """Read an archive and stage the content that the store does not have.

    Args:
        source: The archive; the first format of `READERS` that recognises it is used.

    Returns:
        The archive's claim and the staged files.

    Raises:
        InvalidInput: The archive is damaged, or its format is unknown. The caller must discard the
            operation's folder.
    """
    reader = _reader(source.members)
    if reader is not None:
        return reader.read(source)
    if _is_dir_tree(source.members):
        return _read_dir_tree(source)
    members, path = source.members, ""
    while len(path) < _MAX_WRAPPING and (folder := _only_folder(members)) is not None:
        path = f"{path}{folder}/"
        members = SubfolderMembers(source.members, path[:-1])
        reader = _reader(members)
        if reader is not None:
            found = reader.read(replace(source, members=members))
            note = f"the files of the archive are in the folder {printable(path)!r}"
            found.claim = replace(found.claim, notes=(note, *found.claim.notes))
            return found
    raise _unrecognised(source.members)


def _reader(members: Members) -> Reader | None:
    return next((one for one in READERS if one.recognises(members)), None)


def _only_folder(members: Members) -> str | None:
    """Return the name of the only folder at the root, or None if there are other files."""
    names = [
        name
        for name in members.names_in()
        # macOS and Windows add such files, and git a header.
        if not name.startswith("._")
        and name not in (".DS_Store", "__MACOSX/", "Thumbs.db", "pax_global_header")
    ]
    return names[0][:-1] if len(names) == 1 and names[0].endswith("/") else None


# --- image layouts, with or without a manifest.json -----------------------------------------------


def _is_layout(members: Members) -> bool:
    return members.exists(INDEX) and (members.exists(LAYOUT) or is_haul(members.document(INDEX)))


def _read_layout(source: ArchiveInput) -> ReadArchive:
    members, limits = source.members, source.limits
    labels = LabelBudget(limits)
    claim = oci_layout.claim(members, limits, source.holdings.document, labels=labels)
    if members.exists(docker.MANIFEST):
        not_images, unfit = docker_and_oci.artifact_configs(claim.graph)
        claim = docker_and_oci.reconcile(
            claim,
            docker.claim(
                members.document, limits, no_images=not_images, unfit=unfit, labels=labels
            ),
        )
    return _read_manifests(claim, oci_blob_paths(members), source)


def _is_dir_folder(members: Members) -> bool:
    return members.exists(oci_layout.DIR_VERSION) and members.document(
        oci_layout.DIR_VERSION
    ).startswith(oci_layout.DIR_MAGIC)


def _read_dir_folder(source: ArchiveInput) -> ReadArchive:
    claim = oci_layout.claim_dir(source.members, source.limits, source.holdings.document)
    return _read_manifests(claim, dir_blob_paths(source.members), source)


def _is_dir_tree(members: Members) -> bool:
    return bool(_dir_folders(members))


def _dir_folders(members: Members) -> list[str]:
    """Return the paths of all ``dir:`` folders whose path is the name of an image."""
    return [
        folder
        for path in members.find_all(oci_layout.DIR_VERSION)
        if dir_tree.is_name(folder := path.rpartition("/")[0])
        and members.exists(f"{folder}/{oci_layout.MANIFEST}")
        and members.document(path).startswith(oci_layout.DIR_MAGIC)
    ]


def _read_dir_tree(source: ArchiveInput) -> ReadArchive:
    members = source.members
    folders = {folder: SubfolderMembers(members, folder) for folder in _dir_folders(members)}
    claim, paths = dir_tree.claim(members, folders, source.limits, source.holdings.document)
    return _read_manifests(claim, paths, source)


def _read_manifests(claim: ArchiveClaim, paths: BlobPaths, source: ArchiveInput) -> ReadArchive:
    artifacts = claim.graph.artifacts
    claim = choose(claim, source.choice)
    docker.check_parents(claim.images)
    claim = replace(claim, notes=(*claim.notes, *_artifact_notes(claim.graph, artifacts)))
    archive = ReadArchive(claim, stage_image_layers(claim, source))
    ManifestBlobs(paths, source, archive).stage(claim.graph)
    return archive


def _artifact_notes(graph: Graph, artifacts: Mapping[Digest, NotAnImage]) -> list[str]:
    """Return a note for each manifest that claims to be an image and is not one.

    A manifest without layers is left out: many artifacts have the media type of images for an empty
    config.
    """
    odd = [
        (digest, artifacts[digest].reason)
        for digest, document in graph.documents.items()
        if document.layers and digest in artifacts and artifacts[digest].claims_image
    ]
    notes = [
        f"kept manifest {digest} as an artifact, not as an image: {reason}"
        for digest, reason in odd[:MAX_NOTES]
    ]
    if len(odd) > MAX_NOTES:
        notes.append(f"kept {len(odd) - MAX_NOTES} more manifests as artifacts")
    return notes


# --- Docker's archives ----------------------------------------------------------------------------


def _is_docker_archive(members: Members) -> bool:
    return members.exists(docker.MANIFEST)


def _read_docker_archive(source: ArchiveInput) -> ReadArchive:
    claim = choose(docker.claim(source.members.document, source.limits), source.choice)
    docker.check_parents(claim.images)
    return ReadArchive(claim, stage_image_layers(claim, source))


def _is_v1_archive(members: Members) -> bool:
    # An archive with one half of a layout is an incomplete layout.
    return (
        not (members.exists(INDEX) or members.exists(LAYOUT))
        and members.exists(docker_v1.REPOSITORIES)
        # The storage of a registry has a folder with this name.
        and f"{docker_v1.REPOSITORIES}/" not in members.names_in()
    )


def _read_v1_archive(source: ArchiveInput) -> ReadArchive:
    members, limits = source.members, source.limits
    faults: dict[str, StoreError] = {}
    directories = docker_v1.directories(
        members.top_level_directories(), members.document, limits, faults
    )
    layers = stage_v1_layers(directories, members, faults)
    diffs = {name: diff for name, (diff, _) in layers.items()}
    claim = choose(
        docker_v1.claim(directories, diffs, members.document, limits, faults), source.choice
    )
    used = {diff for image in claim.images for diff in image.config.diff_ids}
    return ReadArchive(claim, {diff: layer for diff, layer in layers.values() if diff in used})


READERS: Final = (
    Reader(_is_layout, _read_layout),
    Reader(_is_dir_folder, _read_dir_folder),
    Reader(_is_docker_archive, _read_docker_archive),
    Reader(_is_v1_archive, _read_v1_archive),
)
"""The formats, in the order in which they are tried."""


def _unrecognised(members: Members) -> InvalidArchive:
    if members.exists(INDEX):
        return InvalidArchive(
            "the archive has an index.json, but no oci-layout beside it",
            hint="check that the archive is complete: an image layout has both files",
        )
    if members.exists(LAYOUT):
        return MissingMember(
            "the archive has an oci-layout, but no index.json beside it",
            member=INDEX,
            hint="check that the archive is complete: an image layout has both files",
        )
    names = members.names_in()
    if not names:
        return InvalidArchive(
            "the input contains no images: it is empty",
            hint="check that the command that wrote it succeeded",
        )
    kind = described(names)
    if kind is None and (folder := _only_folder(members)) is not None:
        kind = described(members.names_in(folder))
    if kind is not None:
        return InvalidArchive(f"the input contains no images: it holds {kind[0]}", hint=kind[1])
    return InvalidArchive(
        "the input contains no images: it has neither manifest.json, nor oci-layout with"
        " index.json, nor repositories",
        hint=(
            "give an archive of `docker save`, `podman save`, `skopeo copy` or `ctr images export`,"
            " or an image layout or dir: folder"
        ),
    )

"""The publication of a remote image: one import, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remote.pulling.members import RemoteMembers
from remote.pulling.options import PULL
from store.formats.archives.selection import Choice
from store.importing.archive import LayerChecks
from store.importing.importer import ImportOptions, MembersSource, import_members

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from remote.pulling.documents import RemoteImage
    from remote.pulling.transfer import Transfers
    from store.importing.report import ImportReport
    from store.importing.staging import Stager
    from store.model.limits import Limits
    from store.model.progress import Progress
    from store.workspace.workspace import Workspace


def publish_image(  # noqa: PLR0913 - the parts of a pull
    workspace: Workspace,
    image: RemoteImage,
    transfers: Transfers,
    *,
    limits: Limits,
    jobs: int,
    progress: Progress,
    kind: str = PULL,
    on_publish: Callable[[Connection], None] | None = None,
    checks: LayerChecks = LayerChecks.NOTED,
    is_guarded: bool = False,
) -> ImportReport:
    """Fetch what the store lacks of an image, and publish the image with its names.

    Args:
        workspace: The opened store.
        image: The documents of the image.
        transfers: Fetch the blobs.
        limits: Ceilings for layers.
        jobs: How many blobs are fetched at once.
        progress: Receives the progress of each blob.
        kind: The kind of the operation, which the log of references shows.
        on_publish: Called in the transaction that publishes the image, before all changes; an error
            that it raises ends the import. None for nothing.
        checks: When layers are compared with the diff IDs in the configs of their images.
        is_guarded: Whether the names get only what the registry has, and nothing else that its
            manifests list.

    Returns:
        What the import changed. After an error, what was fetched stays for the next pull.

    Raises:
        DiffMismatch: The layers of the image are not those of its config, and ``checks`` requires
            it.
        StoreError: A blob cannot be fetched, or the image cannot be imported.
    """
    members: list[RemoteMembers] = []
    is_later = checks is LayerChecks.LATER

    def opened(stager: Stager) -> RemoteMembers:
        undecoded = transfers.held.unknown(image.blobs) if is_later else frozenset()
        members.append(RemoteMembers(image, transfers, stager, limits, progress, undecoded))
        return members[0]

    is_stored = False
    try:
        report = import_members(
            workspace,
            MembersSource(opened),
            ImportOptions(
                limits=limits,
                readers=jobs,
                source_name=f"docker://{image.reference}",
                # Only what was asked for is missing, so a note would say nothing new.
                choice=Choice(notes_absent=False),
                kind=kind,
                on_publish=on_publish,
                checks=checks,
                is_guarded=is_guarded,
            ),
        )
        is_stored = True
    finally:
        for one in members:
            one.close(is_stored=is_stored)
    return report

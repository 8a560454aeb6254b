"""The words of the command line for every remedy: commands and flags, in the imperative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from store.model.remedies import Note, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WORDS: Final = {
    Remedy.LIST_IMAGES: "run `storectl images` to list the images and their tags",
    Remedy.CHECK_STORE: "run `storectl fsck` to list the images that are affected",
    Remedy.REPAIR_CONTENT: (
        "run `storectl fsck --repair --from ARCHIVE` with an archive or a store that has this"
        " content, or import or push it again"
    ),
    Remedy.REPAIR_ROWS: "run `storectl fsck --repair` to derive the rows again from the documents",
    Remedy.COLLECT_GARBAGE: "run `storectl gc` to remove unreferenced content",
    Remedy.KEEP_UNDO: (
        "give `storectl gc --undo-for AGE`, or set STORECTL_UNDO_FOR, to keep what later rollbacks"
        " need"
    ),
    Remedy.CREATE_STORE: (
        "run `storectl import` to create a store there, or name another folder with --root or"
        " STORECTL_ROOT"
    ),
    Remedy.REPLACE_STORE: (
        "run `storectl restore` with a backup, or `storectl rescue` to make the catalogue again"
        " from the stored files and documents; keep this folder as it is until then"
    ),
    Remedy.REPLACE_SOUND_CATALOGUE: (
        "run `storectl fsck` to check the store; give --force only to lose the history and newer"
        " changes on purpose"
    ),
    Remedy.CONTINUE_RESTORE: (
        "if no restore is running, run the same `storectl restore` again: it continues"
    ),
    Remedy.RESTORE_PARTLY: (
        "restore another generation with --generation, or another backup; or give --partial to"
        " restore everything else"
    ),
    Remedy.FORCE_REMOVAL: "give -f to remove the image with all of its names",
    Remedy.NAME_ONE_IMAGE: "choose one image with --image NAME, or rename all with --prefix",
    Remedy.NAME_BARE_TAG: (
        "give --prefix NAME to name the image NAME:TAG with its tag, or --tag NAME:TAG to choose"
        " both"
    ),
    Remedy.NAME_IMAGE: (
        "give --tag NAME to choose another name, or --no-tags to import the image without a name"
    ),
    Remedy.RENAME_IMAGE: "give --image NAME --tag NAME to give such an image another name",
    Remedy.ACCEPT_SPARSE: "leave out --require-all to import the content that the archive has",
    Remedy.MOVE_TAGS: (
        "leave out --no-clobber to move the tags, or import under other names with --prefix or"
        " --tag"
    ),
    Remedy.RAISE_LAYER_LIMIT: "raise --max-layer-size if the layer is meant to be that large",
    Remedy.RAISE_RATIO_LIMIT: "raise --max-ratio if the data is meant to be that compressible",
    Remedy.CONVERT_SCHEMA_1: "run `skopeo copy --format v2s2` to convert the image",
    Remedy.SAVE_AS_OCI: "save with --format oci",
    Remedy.SAVE_AS_OCI_OR_DOCKER: "save with --format oci or --format docker",
    Remedy.SAVE_TO_FILE: "give -o the name of a file, or save with --format oci",
    Remedy.SAVE_PART: (
        "save the platforms that are present with --platform, or the index as it is with --sparse"
    ),
    Remedy.SAVE_SPARSE_INDEX: "give --sparse to keep the images in their index",
    Remedy.CHOOSE_PLATFORM: "choose a stored platform with --platform",
    Remedy.SEND_FOREIGN_LAYERS: "give --foreign-layers to send such layers as well",
    Remedy.LOG_IN: "run `storectl login REGISTRY` first, or give --creds USER",
    Remedy.KEEP_LAYERS: "leave out --layers, or save into a new folder",
    Remedy.RECOMPRESS_AS_GZIP: "give --layers gzip to save an archive for older versions",
    Remedy.REBUILD_IMAGE: (
        "build the image again where it was made, and push or import it under the same name: until"
        " then no engine can run it"
    ),
    Remedy.WAIT_LONGER: "give --lock-timeout SECONDS to wait longer",
    Remedy.LISTEN_ELSEWHERE: "give another address with --listen HOST:PORT",
    Remedy.OPEN_REGISTRY: (
        "start the server with --htpasswd or --rules to add users, or with --open to let every"
        " client push and delete"
    ),
    Remedy.ADD_USER: "run `storectl passwd USER FILE` to write the line of a user",
    Remedy.ALLOW_HOST: "if this is a name of the server, start it with --allowed-host HOST",
}
"""One sentence for each remedy, without a final period, as in all hints."""


class Advised(Protocol):
    """An object with advice for the user: an error of the store, or a finding of a check."""

    @property
    def hint(self) -> str | None:
        """The next step, without a flag or command; None if there is none."""

    @property
    def remedy(self) -> Remedy | None:
        """The next step, which `WORDS` puts into words; None if there is none."""


def hints(advised: Advised) -> tuple[str, ...]:
    """Return the hints of ``advised``, one sentence for each line of the terminal."""
    words = None if advised.remedy is None else WORDS[advised.remedy]
    return tuple(text for text in (advised.hint, words) if text)


def note_lines(notes: Iterable[str]) -> Iterator[str]:
    """Yield a line for each note, then a hint for each remedy of the notes.

    Args:
        notes: Strings; a `Note` may have a remedy.
    """
    remedies = []
    for note in notes:
        yield f"note: {note}"
        if isinstance(note, Note) and note.remedy is not None:
            remedies.append(note.remedy)
    for remedy in dict.fromkeys(remedies):
        yield f"hint: {WORDS[remedy]}"

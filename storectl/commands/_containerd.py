"""Images of the store that a containerd of this machine loads."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from remote.copying.engines.containerd_target import ContainerdTarget
from remote.engine.containerd import Containerd
from remote.pushing.stored_image import open_stored
from store import Platform, Reference
from store.errors import InvalidInput
from storectl.commands._sending import Printer, send
from storectl.commands._suggestions import suggesting
from storectl.commands._transfers import stored_name
from storectl.output.progress import progress
from storectl.system.malloc import keep_freed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storectl.commands._sending import SendingOptions
    from storectl.settings import Settings

CTR_VARIABLE: Final = "STORECTL_CTR"
"""The variable that names another program than ``ctr``, with its arguments."""

_NAMESPACE: Final = "CONTAINERD_NAMESPACE"
"""The variable in which ctr finds the namespace."""

_SCHEME: Final = "unix://"


def containerd(
    environment: Mapping[str, str],
    address: str | None,
    namespace: str | None,
    platform: str | None = None,
) -> Containerd:
    """Return the containerd that ``ctr`` reaches.

    Args:
        environment: The variables of the run.
        address: The socket, with or without ``unix://``; None for the default of ctr.
        namespace: The namespace of the images; None for the default of ctr.
        platform: The platform whose image is unpacked; None for that of the machine.

    Raises:
        InvalidInput: The variable `CTR_VARIABLE` cannot be split into words.
    """
    try:
        program = shlex.split(environment.get(CTR_VARIABLE, "")) or ["ctr"]
    except ValueError as error:
        raise InvalidInput(f"invalid {CTR_VARIABLE}: {str(error).lower()}") from None
    if address is not None:
        program += ("--address", address.removeprefix(_SCHEME))
    if namespace is not None:
        program += ("--namespace", namespace)
    return Containerd(
        tuple(program),
        f"containerd ({namespace or environment.get(_NAMESPACE, 'default')})",
        environment,
        () if platform is None else ("--platform", platform),
    )


def load(settings: Settings, engine: Containerd, name: str, options: SendingOptions) -> None:
    """Load an image of the store into a containerd, under its name.

    Of an index, the image for one platform is loaded, and the index stays as it is.

    Args:
        settings: The settings of the run.
        engine: The containerd.
        name: The name of the image in the store.
        options: The platform, and what is printed.

    Raises:
        StoreError: The image cannot be read, or containerd refuses it.
    """
    keep_freed()
    wanted = [Platform.parse(text) for text in options.platforms]
    chosen = wanted or [Platform.of("linux", settings.machine)]
    options = replace(options, platforms=tuple(map(str, chosen)), sparse=True)
    printer = Printer(is_silent=options.quiet or options.as_json or options.dry_run)
    with settings.open() as store, suggesting(store, name):
        stored = stored_name(store, name, options, all_tags=False)
        if stored.is_id:
            raise InvalidInput(
                f"cannot load {name} into containerd: an image ID does not say its name there",
                hint="name the image with a tag; `storectl tag` gives it one",
            )
        reference = Reference.parse(stored.name).with_default_tag()
        with (
            open_stored(
                store,
                stored.name,
                options.choice(),
                jobs=options.jobs,
                receiver_name=None if options.dry_run else str(engine),
            ) as image,
            progress(quiet=options.quiet or options.as_json) as bars,
        ):
            target = ContainerdTarget(engine, reference, progress=bars, listener=printer)
            outcome = asyncio.run(send(image, target, options))
        printer.flush()
        outcome.report(f"{engine}: {reference.familiar}", options)

"""Find and read ``registries.conf`` and its drop-ins.

Source: containers-registries.conf(5), containers-registries.conf.d(5).
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remote.configuration.registries_conf import RegistriesConf
from store.errors import InvalidInput, printable
from store.files.os_errors import reading_input
from store.files.text_files import read_text_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_DROP_INS: Final = 1000
"""The most drop-ins in a folder."""

_NAME: Final = "registries.conf"
_SYSTEM: Final = (Path("/etc/containers"), Path("/usr/share/containers"))


def registries_files(
    environment: Mapping[str, str], system: tuple[Path, ...] = _SYSTEM
) -> tuple[Path, ...]:
    """Return the files to read, in the order in which a later one overrides an earlier one.

    The first main file that exists is read alone: the one that CONTAINERS_REGISTRIES_CONF names,
    that of the user, or that of the system. The drop-ins of the system and of the user follow.

    Args:
        environment: The environment variables.
        system: The folders of the system, the first one first.

    Raises:
        InvalidInput: A folder has too many drop-ins, or a file that was named does not exist.
        Unavailable: A folder cannot be read.
    """
    home = environment.get("HOME", "")
    config = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    own = (Path(config, "containers"),) if config else ()
    named = environment.get("CONTAINERS_REGISTRIES_CONF")
    if named:
        main = [Path(named)]
    else:
        main = [path for folder in (*own, *system) if (path := folder / _NAME).exists()][:1]
    drop_ins = [one for folder in (*system[:1], *own) for one in _drop_ins(folder / f"{_NAME}.d")]
    return (*main, *drop_ins)


def read_registries(files: tuple[Path, ...]) -> RegistriesConf:
    """Return the settings of all files together.

    Args:
        files: The files, the most important one last.

    Raises:
        InvalidInput: A file is missing or not valid.
        PermissionDenied: A file may not be read.
        Unavailable: A file cannot be read.
    """
    return RegistriesConf.merged(
        RegistriesConf.parse(read_text_file(path), printable(str(path))) for path in files
    )


def _drop_ins(folder: Path) -> Iterator[Path]:
    try:
        with reading_input(folder):
            names = [path.name for path in islice(folder.iterdir(), MAX_DROP_INS + 1)]
    except InvalidInput:
        # No such folder.
        return
    if len(names) > MAX_DROP_INS:
        raise InvalidInput(
            f"invalid folder {printable(str(folder))}: more than {MAX_DROP_INS} files"
        )
    yield from (folder / name for name in sorted(names) if name.endswith(".conf"))

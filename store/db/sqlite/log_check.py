"""A check of SQLite's write-ahead log, made before SQLite opens the database.

SQLite verifies the checksums of the log only when the first connection recovers it. It stops at the
first frame whose checksum is wrong, and ignores all that follow, without a word. So one flipped bit
undoes every later change. This module finds such a frame while the bytes are still there.

The end of a log may also be broken without any damage: the process was killed, or the power was
cut, during a write. The frames of such a change were never committed. It is told from damage by
these rules. There is damage if

1. a frame that commits a change, with the salts of this log, follows the broken frame and continues
   its chain of checksums;
2. one flipped bit explains the broken frame, and its change was committed;
3. the shared memory, which processes that died left behind, counts the frame as committed;
4. the frame, or one that follows, is neither empty nor the remainder of an earlier log: SQLite did
   not write it.

A power cut may keep later blocks of the log and lose an earlier one: SQLite does not sync the log
after each change, and a disk may write blocks in any order. So rules 1 and 3 do not count if the
machine was started after the last change of the log, and a block of the broken frame was not
written: it is empty, or has a frame of an earlier log. A flipped bit or foreign bytes are never
such a block.

What these rules cannot tell from a write that was interrupted is damage that empties a block, after
the machine was started again, and damage that empties the end of the last change, without shared
memory.

Source: sqlite.org/fileformat2.html, section 4, "The Write-Ahead Log"; sqlite.org/walformat.html.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from operator import mul
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.db.faults import Fault, FaultKind
from store.db.sqlite.engine import DATABASE
from store.db.sqlite.location import LOG, SHARED_MEMORY
from store.files.os_errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
_SALTS: Final = struct.Struct(">2I")
_MAGIC: Final = 0x377F0682
_MASK: Final = 0xFFFFFFFF
_BITS: Final = tuple(1 << shift for shift in range(32))
_PAGE_SIZES: Final = frozenset(1 << shift for shift in range(9, 17))
_LARGEST_PAGE: Final = 65536
_USUAL_PAGE: Final = 4096
_SAMPLE: Final = 16
"""The number of frames whose salts are compared if the header of the log is wrong."""
_SHARED_HEADER: Final = 48
_EARLIER_LOGS: Final = 1 << 20
"""The most restarts of a log after which a frame of an earlier log may remain."""
_BLOCK: Final = 4096
"""A power cut loses blocks of this size: pages of the kernel, and blocks of file systems."""
_ATTEMPTS: Final = 4
_PAUSE_S: Final = 0.05

Sums = tuple[int, int]
"""The two running sums of a checksum, or the two salts of a log."""


@final
@dataclass(frozen=True, slots=True)
class _Header:
    salts: Sums
    sums: Sums
    page_bytes: int
    order: str
    is_sound: bool


@final
@dataclass(frozen=True, slots=True)
class _Break:
    """The first frame that SQLite does not accept.

    Attributes:
        frame: The number of the frame, from 1; 0 for the header of the log.
        salts: The salts of the log.
        lost: The number of committed changes that follow and cannot be read.
        is_damage: Whether it cannot be the remainder of a write that was interrupted.
        is_explained: Whether it can be if a power cut lost a block and kept later ones.
    """

    frame: int
    salts: Sums
    lost: int
    is_damage: bool
    is_explained: bool


def started_at() -> float:
    """Return when the machine was started, in seconds since 1970; 0 if the system cannot say."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if clock is None else time.time() - time.clock_gettime(clock)


def log_faults(
    root: Path,
    *,
    pause: Callable[[float], object] = time.sleep,
    started: Callable[[], float] = started_at,
) -> list[Fault]:
    """Return the fault of the log of the database at ``root``; an empty list if there is none.

    Other processes may write meanwhile. So a fault is reported only if it stays.

    Args:
        root: The store's folder.
        pause: Waits for some seconds between two looks at the log.
        started: Returns when the machine was started, in seconds since 1970.

    Raises:
        Unavailable: The log cannot be read.
    """
    found: _Break | None = None
    for attempt in range(_ATTEMPTS):
        now = _broken(root, started())
        if now is None or not now.is_damage:
            return []
        if attempt and found is not None and (now.frame, now.salts) == (found.frame, found.salts):
            break
        found = now
        pause(_PAUSE_S)
    else:
        return []
    assert found is not None  # noqa: S101 - set in the first attempt
    where = f"frame {found.frame}" if found.frame else "its header"
    lost = f"{found.lost} committed change(s)" if found.lost else "the last change"
    return [
        Fault(
            FaultKind.LOG,
            f"the log {LOG} is damaged at {where}: {lost} cannot be read, and will be"
            " forgotten by the next change of the store",
        )
    ]


def _broken(root: Path, started: float) -> _Break | None:
    """Return the first frame that SQLite does not accept; None for a log without one.

    Args:
        root: The store's folder.
        started: When the machine was started, in seconds since 1970.
    """
    path = root / LOG
    with translated(path):
        committed = _shared_memory(root / SHARED_MEMORY)
        try:
            log = path.open("rb")
        except FileNotFoundError:
            return None
        with log:
            data = log.read(_HEADER.size)
            if len(data) < _HEADER.size:
                return None
            header = _read_header(data, log, root)
            found = _scan(log, header, committed)
            if (
                found is not None
                and found.is_explained
                and os.fstat(log.fileno()).st_mtime < started
                and _is_unwritten(log, header, found.frame)
            ):
                found = replace(found, is_damage=False)
            log.seek(0)
            # Another process has restarted the log: what was read is a mixture.
            return found if log.read(_HEADER.size) == data else None


def _read_header(data: bytes, log: BinaryIO, root: Path) -> _Header:
    magic, _version, page_bytes, _sequence, salt_1, salt_2, sum_1, sum_2 = _HEADER.unpack(data)
    order = ">" if magic & 1 else "<"
    stored = (sum_1, sum_2)
    if (
        magic & ~1 == _MAGIC
        and (page_bytes or _LARGEST_PAGE) in _PAGE_SIZES
        and _sums((0, 0), struct.unpack(f"{order}6I", data[:24])) == stored
    ):
        return _Header((salt_1, salt_2), stored, page_bytes or _LARGEST_PAGE, order, is_sound=True)
    # The header is wrong, so SQLite ignores the log. The frames tell whether anything is lost.
    page_bytes = _page_bytes(root)
    salts = Counter(
        _FRAME.unpack_from(frame)[2:4]
        for frame in islice(_frames(log, _FRAME.size + page_bytes), _SAMPLE)
    )
    log.seek(_HEADER.size)
    (common, _), *_ = salts.most_common(1) or [((salt_1, salt_2), 0)]
    return _Header(
        common, stored, page_bytes, "<" if sys.byteorder == "little" else ">", is_sound=False
    )


def _page_bytes(root: Path) -> int:
    """Return the page size in the header of the database."""
    with (root / DATABASE).open("rb") as file:
        size = int.from_bytes(file.read(18)[16:18], "big")
    return size if size in _PAGE_SIZES else _LARGEST_PAGE if size == 1 else _USUAL_PAGE


def _scan(log: BinaryIO, header: _Header, committed: tuple[Sums, int]) -> _Break | None:
    """Follow the frames; return the first that SQLite does not accept, and what follows it."""
    salts, sums = header.salts, header.sums
    numbers = struct.Struct(f"{header.order}2I")
    page = struct.Struct(f"{header.order}{header.page_bytes // 4}I")
    broken = None if header.is_sound else _Break(0, salts, 0, is_damage=False, is_explained=False)
    for number, data in enumerate(_frames(log, _FRAME.size + header.page_bytes), start=1):
        _, truncated, *salt, sum_1, sum_2 = _FRAME.unpack_from(data)
        mine, stored = (salt[0], salt[1]), (sum_1, sum_2)
        words = numbers.unpack_from(data) + page.unpack_from(data, _FRAME.size)
        computed = _sums(sums, words)
        if broken is None:
            if mine != salts or computed != stored:
                is_lost = _is_flipped_commit(words, computed, stored, mine, salts)
                is_counted = committed[0] == salts and committed[1] >= number and any(data)
                is_strange = mine != salts and not _is_earlier(mine, salts)
                broken = _Break(
                    number,
                    salts,
                    int(is_lost),
                    is_damage=is_lost or is_counted or is_strange,
                    is_explained=not (is_lost or is_strange),
                )
        elif mine == salts and computed == stored and truncated:
            broken = replace(broken, lost=broken.lost + 1, is_damage=True)
        elif mine != salts and not _is_earlier(mine, salts):
            broken = replace(broken, is_damage=True, is_explained=False)
        sums = stored
    return broken


def _is_unwritten(log: BinaryIO, header: _Header, number: int) -> bool:
    """Return whether a block of a frame is empty, ends with its head, or is of an earlier log.

    Args:
        log: The log.
        header: Its header.
        number: The number of the frame, from 1.
    """
    size = _FRAME.size + header.page_bytes
    begin = _HEADER.size + (number - 1) * size
    for block in range(begin // _BLOCK * _BLOCK, begin + size, _BLOCK):
        log.seek(block)
        data = log.read(_BLOCK)
        if not any(data):
            return True
        page = begin + _FRAME.size - block
        if 0 <= page < len(data) and not any(data[page:]):
            return True
        for frame in (begin, begin + size):
            if block <= frame and frame + _FRAME.size <= block + len(data):
                salt_1, salt_2 = _FRAME.unpack_from(data, frame - block)[2:4]
                # A restart of the log counts the first salt up, and draws the second.
                is_new = salt_1 == header.salts[0] or salt_2 == header.salts[1]
                if not is_new and _is_earlier((salt_1, salt_2), header.salts):
                    return True
    return False


def _is_flipped_commit(
    words: tuple[int, ...], computed: Sums, stored: Sums, mine: Sums, salts: Sums
) -> bool:
    """Return whether one flipped bit explains a broken frame, and the frame commits a change.

    Args:
        words: The page number, the size of the database after a commit, and the page.
        computed: The checksum of the words.
        stored: The checksum in the frame.
        mine: The salts in the frame.
        salts: The salts of the log.
    """
    if computed == stored:
        return _differ_in_one_bit(mine, salts) and bool(words[1])
    if mine != salts:
        return False
    if _differ_in_one_bit(computed, stored):
        return bool(words[1])
    flipped = _flipped_bit(words, computed, stored)
    return flipped is not None and bool(words[1] ^ flipped[1] if flipped[0] == 1 else words[1])


def _frames(log: BinaryIO, size: int) -> Iterator[bytes]:
    while len(data := log.read(size)) == size:
        yield data


def _is_earlier(salts: Sums, current: Sums) -> bool:
    """Return whether a frame may remain from an earlier log, or was never written as a whole."""
    if 0 <= (current[0] - salts[0]) & _MASK < _EARLIER_LOGS:
        return True
    # The first bytes may have been written, and the others not.
    pairs = zip(_SALTS.pack(*salts), _SALTS.pack(*current), strict=True)
    return all(mine in (0, other) for mine, other in pairs)


@lru_cache(maxsize=8)
def _factors(count: int) -> tuple[tuple[int, ...], tuple[int, ...], Sums, Sums]:
    """Return by what each of ``count`` words is multiplied in the two sums of a checksum.

    SQLite adds the words one after another, by turns to the first and the second sum, and each time
    the other sum as well. So both are linear in the words, and in the sums at the start.

    Returns:
        The factors for the first and for the second sum, and those of each sum at the start.
    """
    firsts, seconds = [0] * count, [0] * count
    # What the words that follow do to a change of the first sum, and of the second.
    left, right = (1, 0), (0, 1)
    for position in range(count - 1, -1, -1):
        firsts[position], seconds[position] = right if position % 2 else left
        both = (left[0] + right[0]) & _MASK, (left[1] + right[1]) & _MASK
        left, right = (both, right) if position % 2 else (left, both)
    return tuple(firsts), tuple(seconds), left, right


def _sums(start: Sums, words: tuple[int, ...]) -> Sums:
    firsts, seconds, left, right = _factors(len(words))
    return (
        (sum(map(mul, firsts, words)) + start[0] * left[0] + start[1] * right[0]) & _MASK,
        (sum(map(mul, seconds, words)) + start[0] * left[1] + start[1] * right[1]) & _MASK,
    )


def _differ_in_one_bit(one: Sums, other: Sums) -> bool:
    return (one[0] ^ other[0]).bit_count() + (one[1] ^ other[1]).bit_count() == 1


def _flipped_bit(words: tuple[int, ...], computed: Sums, stored: Sums) -> tuple[int, int] | None:
    """Return the word, and the bit in it, whose change explains a wrong checksum; else None."""
    one, two = (computed[0] - stored[0]) & _MASK, (computed[1] - stored[1]) & _MASK
    firsts, seconds, _, _ = _factors(len(words))
    for position, word in enumerate(words):
        for bit in _BITS:
            change = bit if word & bit else -bit
            if (
                (change * firsts[position] - one) & _MASK
                == 0
                == (change * seconds[position] - two) & _MASK
            ):
                return position, bit
    return None


def _shared_memory(path: Path) -> tuple[Sums, int]:
    """Return the salts of the log and the number of its committed frames, by the shared memory.

    The shared memory holds its header twice. If the copies differ, or it has none, the answer is
    that no frame is committed.
    """
    nothing = ((0, 0), 0)
    try:
        with path.open("rb") as file:
            data = file.read(2 * _SHARED_HEADER)
    except FileNotFoundError:
        return nothing
    first, second = data[:_SHARED_HEADER], data[_SHARED_HEADER:]
    if len(second) < _SHARED_HEADER or first != second or not first[12]:
        return nothing
    (frames,) = struct.unpack_from("=I", data, 16)
    salt_1, salt_2 = struct.unpack_from(">2I", data, 32)
    return (salt_1, salt_2), frames

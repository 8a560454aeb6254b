from __future__ import annotations

import errno
import os

import pytest

from store.files.system_limits import limit_reached


@pytest.mark.parametrize(
    ("error", "fact", "advice"),
    [
        (RuntimeError("can't start new thread"), "starts no more threads", "ulimit -u"),
        (MemoryError(), "no more memory", "ulimit -v"),
        (OSError(errno.EMFILE, "x"), "this process has too many open files", "ulimit -n"),
        (OSError(errno.ENFILE, "x"), "the system has too many open files", "fs.file-max"),
        (OSError(errno.ENOMEM, "x"), "no more memory", "ulimit -v"),
        (BlockingIOError(errno.EAGAIN, "x"), "starts no more processes", "ulimit -u"),
    ],
)
def test_a_shortage_is_named_with_the_limit_to_raise(
    error: Exception, fact: str, advice: str
) -> None:
    found = limit_reached(error)
    assert found is not None
    assert fact in found.message
    assert found.hint is not None
    assert advice in found.hint


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError(errno.EIO, "x"), ValueError()])
def test_other_errors_are_no_shortage(error: Exception) -> None:
    assert limit_reached(error) is None


def test_the_words_of_python_are_still_the_same() -> None:
    # If Python changes its message, this program would take the shortage for a bug of its own.
    script = (
        "import resource, threading\n"
        "resource.setrlimit(resource.RLIMIT_AS, (60_000_000, 60_000_000))\n"
        "threading.stack_size(1 << 30)\n"
        "try:\n    threading.Thread(target=int).start()\n"
        "except RuntimeError as exc:\n    print(exc, end='')\n"
    )
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.defpath},
    )
    assert done.stdout == "can't start new thread"

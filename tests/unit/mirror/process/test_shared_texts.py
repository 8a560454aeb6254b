"""A text of each worker that all workers can read."""

from __future__ import annotations

import os

from mirror.process.shared_texts import MAX_BYTES, SharedTexts


def test_each_process_reads_the_texts_of_the_others() -> None:
    texts = SharedTexts(3)
    assert texts.others(0) == [b"", b""]
    assert texts.put(0, b"zero")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            texts.put(1, b"one, longer")
            texts.put(1, b"one")
            code = int(texts.others(1) != [b"zero", b""])
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert texts.others(0) == [b"one", b""]
    assert texts.get(0) == b"zero"


def test_a_text_that_is_too_long_changes_nothing() -> None:
    texts = SharedTexts()
    assert texts.put(0, b"x" * MAX_BYTES)
    assert not texts.put(0, b"y" * (MAX_BYTES + 1))
    assert texts.get(0) == b"x" * MAX_BYTES


def test_a_worker_that_died_while_it_wrote_is_replaced() -> None:
    texts = SharedTexts()
    texts.put(0, b"old")
    texts._memory[0] |= 1
    assert texts.get(0) == b""
    texts.put(0, b"new")
    assert texts.get(0) == b"new"

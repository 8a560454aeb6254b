from __future__ import annotations

import inspect

from store.model.progress import Progress, Silent


def test_silence_takes_every_call_of_the_interface() -> None:
    """Call both implementations with positional arguments and with keywords."""
    methods = [name for name in vars(Progress) if not name.startswith("_")]
    assert methods
    for name in methods:
        wanted = inspect.signature(getattr(Progress, name))
        assert inspect.signature(getattr(Silent, name)) == wanted

from __future__ import annotations

import inspect

from store.model.progress import Progress, Silent


def test_silence_takes_every_call_of_the_interface() -> None:
    """The methods of `Silent` have the same signatures as the methods of `Progress`."""
    methods = [name for name in vars(Progress) if not name.startswith("_")]
    assert methods
    for name in methods:
        wanted = inspect.signature(getattr(Progress, name))
        assert inspect.signature(getattr(Silent, name)) == wanted

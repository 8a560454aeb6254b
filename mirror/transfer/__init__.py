"""Bytes to a client: files by ``sendfile``, everything else a block at a time.

uvloop has no ``loop.sendfile``, and aiohttp falls back to copying without saying so; so the socket
is duplicated and fed here. How it is fed was measured (docs/benchmarks/findings.md): a thread that
sleeps in ``sendfile`` costs least (`lanes`), and a client that is too slow to be worth one gets its
turns from the loop (`turns`).
"""

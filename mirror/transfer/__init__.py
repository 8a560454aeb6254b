"""Bodies on their way in and out: files by ``sendfile``, all other content in blocks.

uvloop has no ``loop.sendfile``, and aiohttp falls back to copying without a warning. So the socket
is duplicated and written to here. The way was chosen by measurements
(docs/benchmarks/findings.md): a thread that sleeps in ``sendfile`` costs least
(`blocking_sendfile`); a client that is too slow for a thread of its own gets its turns from the
loop (`nonblocking_sendfile`).
"""

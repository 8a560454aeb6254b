"""Send and receive bodies; a file is sent with ``sendfile``, other content in blocks.

uvloop has no ``loop.sendfile``, and aiohttp then copies the bytes without a warning. So this
package duplicates the socket and writes to it directly. According to measurements
(docs/benchmarks/findings.md), a thread that sleeps in ``sendfile`` costs least
(`blocking_sendfile`). If a client is too slow for a thread of its own, the event loop sends to it
whenever its socket has room (`nonblocking_sendfile`).
"""

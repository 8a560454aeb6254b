"""The health check of the container: it asks the server over HTTP, then over TLS.

The exit code is 0 if the server is alive, and 1 otherwise. The check has no client certificate. If
the server has ``--tls-client-ca``, run the container with ``--no-healthcheck``.
"""

import ssl
import sys
import urllib.request

PORT = sys.argv[1] if len(sys.argv) > 1 else "5000"


def is_alive(scheme: str) -> bool:
    """Return whether the server answers a request with status 200."""
    # The server runs on this machine, so its certificate need not be verified.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        with urllib.request.urlopen(  # noqa: S310
            f"{scheme}://127.0.0.1:{PORT}/healthz", timeout=4, context=context
        ) as response:
            return bool(response.status == 200)  # noqa: PLR2004
    except OSError:
        return False
    except ValueError:
        # The answer is not HTTP.
        return False


sys.exit(0 if is_alive("http") or is_alive("https") else 1)

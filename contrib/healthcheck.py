"""Whether the server of this container is alive, by HTTP or, where it speaks that, TLS.

Exit code 0 or 1.

With ``--tls-client-ca`` it has no certificate to show: run the container with ``--no-healthcheck``
then.
"""

import ssl
import sys
import urllib.request

PORT = sys.argv[1] if len(sys.argv) > 1 else "5000"


def is_alive(scheme: str) -> bool:
    """Ask once."""
    # The server is on this machine, whatever name its certificate is for.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        with urllib.request.urlopen(  # noqa: S310
            f"{scheme}://127.0.0.1:{PORT}/healthz", timeout=4, context=context
        ) as response:
            return bool(response.status == 200)  # noqa: PLR2004
    except OSError:
        return False
    except ValueError:
        # What answers does not speak HTTP.
        return False


sys.exit(0 if is_alive("http") or is_alive("https") else 1)

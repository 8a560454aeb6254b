"""One registry over HTTP: requests, retries, redirects, limits, TLS and proxies."""

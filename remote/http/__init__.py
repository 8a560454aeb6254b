"""Connections to other servers: settings, TLS, proxies, limits, and the refusal to dial."""

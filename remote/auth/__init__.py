"""How a request gets its ``Authorization``: challenges, credentials and tokens."""

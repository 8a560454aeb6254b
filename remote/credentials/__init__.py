"""Where people keep credentials for registries, as docker and podman read and write them."""

"""A Docker engine on this machine, over its socket."""

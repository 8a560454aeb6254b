"""The commands of storectl. Each module defines one command, named ``command``."""

"""The commands of storectl: one module for each, in which it is called ``command``."""

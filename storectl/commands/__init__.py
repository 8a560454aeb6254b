"""One module for each verb, with the verb as ``command``."""

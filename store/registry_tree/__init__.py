"""Images in the files of a registry's storage: a scan that changes nothing, and their import."""

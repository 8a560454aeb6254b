"""Filters: which tags of a repository a sync takes."""

"""Syncs: keeping a store or a registry equal with what a file lists."""

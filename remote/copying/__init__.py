"""Copies of images between registries, stores, archives, folders and engines."""

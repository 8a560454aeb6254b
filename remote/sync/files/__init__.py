"""Sync files: what storectl, skopeo, regsync, hauler and lists of images say."""

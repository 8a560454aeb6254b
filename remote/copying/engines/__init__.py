"""Engines on this machine that receive images: Docker engines and containerd."""

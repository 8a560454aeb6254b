"""Sending of images: what a registry lacks, in which order it is sent, and from where it comes."""

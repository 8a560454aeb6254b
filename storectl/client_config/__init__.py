"""Configuration files that make other programs use a mirror, one module for each family."""

#!/usr/bin/env bash
# Check that a new store, which all migrations create, has the schema that the code describes.
set -euo pipefail
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
storectl --root "$root" import --quiet tests/golden/single-layer.tar >/dev/null
storectl --root "$root" db check

#!/usr/bin/env bash
# Check that a new store has the schema that the code describes. Its tables come from
# migrations/schema.sql, which tests/migrations/test_new_schema.py compares with the migrations.
set -euo pipefail
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
storectl --root "$root" import --quiet tests/golden/single-layer.tar >/dev/null
storectl --root "$root" db check

#!/usr/bin/env bash
# Import archives that `docker save` wrote into a temporary store, save their images, and compare
# the new archives with Docker's archives byte by byte.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export STORECTL_ROOT="$work/store"
golden=tests/golden

# Headings are bold on a terminal and plain text in a file.
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

say "1. Import eight archives that Docker Engine 20.10.24 wrote"
echo "\$ storectl import $golden/*.tar"
storectl import "$golden"/*.tar

say "2. List the images"
echo "\$ storectl images"
storectl images

say "3. Show the disk usage, and check every digest"
echo "\$ storectl df"
storectl df
echo "\$ storectl fsck"
storectl fsck

say "4. Save every image, and compare with Docker's archive"
echo "\$ storectl save -o FILE NAME..."
python scripts/compare_golden.py "$golden" "$work"

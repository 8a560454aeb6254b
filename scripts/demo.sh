#!/usr/bin/env bash
# Real archives of `docker save` go into a throw-away store and come out again; the bytes are compared with the ones Docker wrote.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export STORECTL_ROOT="$work/store"
golden=tests/golden

# Headings stand out on a terminal, and are plain text in a file.
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

say "1. Import eight archives that Docker Engine wrote"
for archive in "$golden"/*.tar; do
    echo "\$ storectl import $archive"
    storectl import "$archive"
done

say "2. What is in the store"
echo "\$ storectl images"
storectl images

say "3. Save them again and compare with what Docker wrote"
python scripts/compare_golden.py "$golden" "$work"

say "4. What it takes, and whether all of it is sound"
echo "\$ storectl df"
storectl df
echo "\$ storectl fsck"
storectl fsck

say "Try next"
cat <<'END'
  docker save debian:12 | storectl import -        take in an image of your own
  storectl images --digests                        list it
  storectl save debian:12 | docker load            and hand it to another engine
  storectl --help                                  everything else
  make test                                        the whole test suite
END

#!/usr/bin/env bash
# Prints the path of a Go that is VERSION or newer: the newest on this machine, or, where that is too old, the one that Go's module proxy serves as a module and
# its checksum database vouches for. Which is what a Go from 1.21 on does by itself; Debian 12's, which needs to be told, is 1.19. Exits with 3 where there is none.
#
#   scripts/find_go.sh VERSION
set -euo pipefail

FETCHED=1.26.8

say() { echo "find_go: $*" >&2; }

# A Linux distribution's Go stands beside one from go.dev on many machines: the newest is taken.
newest() {
    local candidate
    for candidate in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go/bin/go; do
        [ -x "$candidate" ] && echo "$(GOTOOLCHAIN=local "$candidate" env GOVERSION) $candidate"
    done | sort -V | tail -n 1
}

at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

fetch() {
    local go=$1 folder
    # Where its own toolchain looks for it too, so that it is fetched once.
    folder=$(cd / && GOTOOLCHAIN=local GOFLAGS=-modcacherw "$go" mod download -json "golang.org/toolchain@v0.0.1-go$FETCHED.$("$go" env GOOS)-$("$go" env GOARCH)" |
        sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    [ -n "$folder" ] || return 1
    # The files of a module are not executable.
    find "$folder/bin" "$folder/pkg/tool" -type f -exec chmod 0755 {} +
    echo "$folder/bin/go"
}

[ $# = 1 ] && [ "$1" != --help ] || { sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"; exit 2; }
needed=$1
read -r version go <<<"$(newest)" || true
if [ -z "${go:-}" ]; then
    say "there is no go on PATH: install one (Debian: golang-go)"
    exit 3
fi
if at_least "$needed" "${version#go}"; then
    echo "$go"
elif at_least "$needed" "$FETCHED" && fetch "$go"; then
    :
else
    say "Go $needed or newer is needed: $go is Go ${version#go}, and Go $FETCHED $(at_least "$needed" "$FETCHED" && echo "could not be fetched with it" || echo "is the newest that can be fetched")"
    say "put a newer one on PATH: https://go.dev/dl/"
    exit 3
fi

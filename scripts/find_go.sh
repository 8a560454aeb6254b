#!/usr/bin/env bash
# Print the path of a Go toolchain of at least VERSION. Exit with 3 if there is none.
#
# The script chooses the newest Go on this machine. If that is too old, the script fetches a
# toolchain from Go's module proxy, and Go's checksum database verifies it. Go 1.21 and later would
# fetch the toolchain without this script, but Debian 12 has Go 1.19.
#
#   scripts/find_go.sh VERSION
set -euo pipefail

FETCHED=1.26.8

say() { echo "find_go: $*" >&2; }

# Many machines have both a distribution's Go and one from go.dev: take the newest.
newest() {
    local candidate
    for candidate in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go/bin/go; do
        [ -x "$candidate" ] && echo "$(GOTOOLCHAIN=local "$candidate" env GOVERSION) $candidate"
    done | sort -V | tail -n 1
}

at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

fetch() {
    local go=$1 folder
    # Go looks for toolchains in the module cache, so the toolchain is fetched only once.
    local platform
    platform=$("$go" env GOOS)-$("$go" env GOARCH)
    folder=$(cd / && GOTOOLCHAIN=local GOFLAGS=-modcacherw \
        "$go" mod download -json "golang.org/toolchain@v0.0.1-go$FETCHED.$platform" |
        sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    [ -n "$folder" ] || return 1
    # Go does not keep the executable bits of a module's files.
    find "$folder/bin" "$folder/pkg/tool" -type f -exec chmod 0755 {} +
    echo "$folder/bin/go"
}

[ $# = 1 ] && [ "$1" != --help ] || { sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"; exit 2; }
needed=$1
read -r version go <<<"$(newest)" || true
if [ -z "${go:-}" ]; then
    say "there is no go on PATH: install Go (Debian: golang-go)"
    exit 3
fi
if at_least "$needed" "${version#go}"; then
    echo "$go"
elif at_least "$needed" "$FETCHED" && fetch "$go"; then
    :
else
    why="is the newest version that can be fetched"
    ! at_least "$needed" "$FETCHED" || why="cannot be fetched"
    say "Go $needed or newer is needed: $go is Go ${version#go}, and Go $FETCHED $why"
    say "put a newer Go on PATH: https://go.dev/dl/"
    exit 3
fi

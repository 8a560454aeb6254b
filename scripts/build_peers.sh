#!/usr/bin/env bash
# Build the programs with which storectl is tested and compared, if Debian has no package of them or
# only an older version.
#
# Each program is built from the source of one pinned version, into the folder
# ${XDG_CACHE_HOME:-~/.cache}/storectl-peers. The source is a module from Go's module proxy, verified
# by Go's checksum database, or a tag of a Git repository. Libraries for Python come from PyPI. A
# program that exists already in the pinned version is not built again.
#
#   scripts/build_peers.sh NAME…      build these programs
#   scripts/build_peers.sh --list     list the programs, and the Go version that each needs
set -euo pipefail

# Columns: name, kind, module, package in the module, version, the oldest Go that builds it.
#
# Kinds:
#   module    go install builds the module.
#   vendored  The module has no go.mod, because it is built in GOPATH mode. Its vendor.mod and
#             vendor.sum become go.mod and go.sum of a copy.
#   copied    A copy of the module is built, because go install refuses modules that replace others.
#   cloned    The repository is cloned, because go install refuses the module or ignores the
#             requirements that it replaces.
#   python    pip installs a library from PyPI. The program is Python, in an environment with this
#             library.
#
# The name crane-0.22 has a version, because docs/interop.md uses an older crane, which .ci/run
# builds with Debian's Go.
peers() {
    cat <<'END'
crane-0.22 module   github.com/google/go-containerregistry   cmd/crane    v0.22.1              1.25
regctl     module   github.com/regclient/regclient           cmd/regctl   v0.11.7              1.26
oras       module   oras.land/oras                           cmd/oras     v1.3.6               1.26
registry-3 module   github.com/distribution/distribution/v3  cmd/registry v3.1.2               1.26
skopeo     cloned   github.com/containers/skopeo             cmd/skopeo   v1.22.2              1.25
olareg     copied   github.com/olareg/olareg                 cmd/olareg   v0.2.2               1.25
zot        cloned   github.com/project-zot/zot               cmd/zot      v2.1.20              1.26
hauler     cloned   github.com/hauler-dev/hauler             cmd/hauler   v2.0.3               1.26
dockerd-28 vendored github.com/docker/docker                 cmd/dockerd  v28.5.2+incompatible 1.24
dockerd-29 module   github.com/moby/moby/v2                  cmd/dockerd  v2.0.0-beta.24       1.26
ctr-2      module   github.com/containerd/containerd/v2      cmd/ctr      v2.4.2               1.26
containerd-2 module github.com/containerd/containerd/v2    cmd/containerd v2.4.2               1.26
helm       module   helm.sh/helm/v3                          cmd/helm     v3.22.0              1.26
helm-4     module   helm.sh/helm/v4                          cmd/helm     v4.2.4               1.26
cosign     module   github.com/sigstore/cosign/v3            cmd/cosign   v3.1.3               1.26
buildctl   copied   github.com/moby/buildkit                 cmd/buildctl v0.34.2              1.26
buildkitd  copied   github.com/moby/buildkit                 cmd/buildkitd v0.34.2             1.26
python-oras   python oras       -  0.2.43 -
python-docker python docker     -  7.2.0  -
python-dxf    python python-dxf -  12.1.1 -
python-async  python docker-registry-client-async - 1.0.3 -
END
}

say() { echo "build_peers: $*" >&2; }

from_module() {
    local module=$1 package=$2 version=$3
    local flags='-s -w'
    # Without the linker option, the engine says that its version is unknown.
    [ "$package" != cmd/dockerd ] || flags+=" -X $module/dockerversion.Version=29-${version#v}"
    GOBIN="$work" "$go" install -trimpath -ldflags="$flags" "$module/$package@$version"
}

copy_module() {
    local module=$1 version=$2 folder
    folder=$("$go" mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    cp -r --no-preserve=mode "$folder" "$work/source"
}

from_copied_module() {
    local module=$1 package=$2 version=$3
    copy_module "$module" "$version"
    (cd "$work/source" && "$go" build -buildvcs=false -trimpath \
        -ldflags="-s -w -X $module/version.Version=$version" -o "$work/${package##*/}" "./$package")
}

from_vendored_module() {
    local module=$1 package=$2 version=$3
    copy_module "$module" "$version"
    # The folder vendor/ lists modules but lacks their files. If it existed, go would fetch no module.
    rm -rf "$work/source/vendor"
    mv "$work/source/vendor.mod" "$work/source/go.mod"
    mv "$work/source/vendor.sum" "$work/source/go.sum"
    # The tests check the engine's version, which only a linker option sets.
    local told=${version#v}
    local flags="-s -w -X $module/dockerversion.Version=${told%+incompatible}"
    (cd "$work/source" && "$go" build -mod=readonly -buildvcs=false -trimpath -ldflags="$flags" \
        -o "$work/${package##*/}" \
        -tags 'exclude_graphdriver_btrfs exclude_graphdriver_devicemapper no_systemd' "./$package")
}

from_clone() {
    local module=$1 package=$2 version=$3
    git -c advice.detachedHead=false clone -q --depth 1 --branch "$version" \
        "https://$module" "$work/source"
    (cd "$work/source" && "$go" build -buildvcs=false -trimpath -ldflags='-s -w' \
        -o "$work/${package##*/}" \
        -tags 'containers_image_openpgp exclude_graphdriver_btrfs' "./$package")
}

# A program that is a script: a link to the environment's Python would not find the environment.
from_pypi() {
    local library=$1 version=$2 environment=$target/$name.env
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check "$library==$version"
    printf '#!/bin/sh\nexec "%s/bin/python" "$@"\n' "$environment" >"$work/$name"
    chmod +x "$work/$name"
}

build() {
    local name=$1 how module package version needed started=$SECONDS
    read -r _ how module package version needed < <(peers | awk -v name="$name" '$1 == name') ||
        { say "no peer has the name $name; the peers are: $(peers | awk '{ printf "%s ", $1 }')"; exit 2; }
    if [ -x "$target/$name" ] && [ "$(cat "$target/.$name.version" 2>/dev/null)" = "$version" ]; then
        say "$name $version exists: $target/$name"
        return
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    if [ "$how" = python ]; then
        say "$name $version, from PyPI"
        package=$name
    else
        go=$(scripts/find_go.sh "$needed") || { say "$name $version needs Go $needed"; exit 3; }
        say "$name $version, from $module, with $("$go" env GOVERSION)"
    fi
    case $how in
        module) from_module "$module" "$package" "$version" ;;
        copied) from_copied_module "$module" "$package" "$version" ;;
        vendored) from_vendored_module "$module" "$package" "$version" ;;
        cloned) from_clone "$module" "$package" "$version" ;;
        python) from_pypi "$module" "$version" ;;
    esac
    # Write the version last, so that an interrupted build is repeated.
    rm -f "$target/.$name.version"
    mv -f "$work/${package##*/}" "$target/$name"
    echo "$version" >"$target/.$name.version"
    rm -rf "$work"
    say "$name $version took $((SECONDS - started)) s: $target/$name"
}

if [ $# = 0 ] || [ "$1" = --help ]; then
    sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"
    exit 2
fi
if [ "$1" = --list ]; then
    peers | awk '{ printf "%-13s %-21s %s\n", $1, $5, $6 == "-" ? "from PyPI" : "Go >= " $6 }'
    exit
fi
cd "$(dirname "$0")/.."
target=${XDG_CACHE_HOME:-$HOME/.cache}/storectl-peers
mkdir -p "$target"
# Static programs run on every Linux. With GOTOOLCHAIN=local, go does not fetch another compiler.
export CGO_ENABLED=0 GOTOOLCHAIN=local GO111MODULE=on
for name in "$@"; do
    build "$name"
done

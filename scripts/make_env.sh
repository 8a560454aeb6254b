#!/usr/bin/env bash
# Make an environment: make_env.sh FOLDER [dev|demo|docs]
#
# dev   the development set, the project installed in editable mode
# demo  only the packages that the program needs, and the program run from this checkout
# docs  only the site generator
#
# Each set is a pinned file with hashes that `make lock` exports from uv.lock. uv installs it where
# uv is available, pip where it is not.
set -euo pipefail
venv=$1
set=${2:-dev}

# Debian packages Python without the parts that make environments: look for a complete one.
usable() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import ensurepip, sys, venv; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null
}

python=""
for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if usable "$candidate"; then
        python=$candidate
        break
    fi
done
uv=$(command -v uv || true)
if [ -z "$python" ] && [ -z "$uv" ]; then
    found=$(python3 --version 2>/dev/null || echo "no python3")
    echo "storectl needs Python 3.11 or newer with its venv module; found $found." >&2
    echo "On Debian and Ubuntu: apt install python3 python3-venv." >&2
    echo "Elsewhere: install uv, which brings a Python along." >&2
    exit 1
fi

case $set in
    dev) requirements=requirements-dev.txt ;;
    demo) requirements=requirements.txt ;;
    docs) requirements=requirements-docs.txt ;;
    *) echo "make_env.sh: unknown set '$set': expected dev, demo or docs" >&2 && exit 2 ;;
esac

# The lists are complete. If pip looked for dependencies itself, a newer release of a package that
# is requested with an extra would be its first and last try.
flags=(--quiet --require-hashes --no-deps -r "$requirements")
# Modules are compiled when they are imported first: a demo imports a fraction of them.
[ "$set" = dev ] && compile=--compile || compile=--no-compile

if [ -n "$uv" ]; then
    [ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "${python:->=3.11}" "$venv"
    installer=uv
    install=("$uv" pip install --python "$venv/bin/python")
    compile=""      # uv compiles nothing unless it is told to
elif [ "$set" != dev ] && "$python" -m pip --python "$("$python" -c 'import sys; print(sys.executable)')" --version >/dev/null 2>&1; then
    # This Python has a pip that can install into another environment, which then needs no pip of
    # its own: installing that is half of the work of making an environment.
    [ -x "$venv/bin/python" ] || "$python" -m venv --without-pip "$venv"
    installer=pip
    install=("$python" -m pip --python "$venv/bin/python" --disable-pip-version-check install)
else
    # An environment that uv made has no pip; venv adds it.
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv "$venv"
    installer=pip
    install=("$venv/bin/python" -m pip --disable-pip-version-check install)
fi

echo "installing the $set set in $venv ($installer, $("$venv/bin/python" --version))"
"${install[@]}" ${compile:+"$compile"} "${flags[@]}"
case $set in
    dev) "${install[@]}" --quiet --no-build-isolation --no-deps -e . ;;
    demo)
        # An editable install without a build backend: one line that names this checkout, and the
        # command that pip would write.
        site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        pwd >"$site/storectl-checkout.pth"
        # As pip writes it: the path of an interpreter in a first line must be short and without
        # spaces, so the shell starts the interpreter.
        cat >"$venv/bin/storectl" <<END
#!/bin/sh
'''exec' "$(cd "$venv/bin" && pwd)/python" "\$0" "\$@"
' '''
from storectl.cli import main

raise SystemExit(main())
END
        chmod +x "$venv/bin/storectl"
        ;;
esac

#!/usr/bin/env bash
# Makes the development environment in $1: with uv where it is installed, with venv and pip where it is not. Both install the same pinned set.
set -euo pipefail
venv=$1

# Python 3.11 or newer, and one that can make environments: Debian packages that part apart.
usable() { command -v "$1" >/dev/null 2>&1 && "$1" -c 'import ensurepip, sys, venv; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; }

python=""
for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if usable "$candidate"; then
        python=$candidate
        break
    fi
done
uv=$(command -v uv || true)
if [ -z "$python" ] && [ -z "$uv" ]; then
    echo "storectl needs Python 3.11 or newer with its venv module, and found $(python3 --version 2>/dev/null || echo "no python3")." >&2
    echo "On Debian and Ubuntu: apt install python3 python3-venv. Anywhere: install uv, which brings a Python along." >&2
    exit 1
fi

if [ -n "$uv" ]; then
    [ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "${python:->=3.11}" "$venv"
    echo "installing the development set in $venv (uv, $("$venv/bin/python" --version))"
    "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements-dev.txt
    "$uv" pip install --quiet --python "$venv/bin/python" --no-build-isolation --no-deps -e .
else
    # Also where uv made the environment once: such a one has no pip, and venv adds it.
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv "$venv"
    echo "installing the development set in $venv (pip, $("$venv/bin/python" --version))"
    # The list is complete. Were pip to look for dependencies itself, a newer release of one that is asked for with an extra would be its first and last try.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
fi

#!/usr/bin/env bash
# Makes the development environment in $1: with uv where it is installed, with venv and pip where it is not.
set -euo pipefail
venv=$1
python=""
for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "storectl needs Python 3.11 or newer; found $(python3 --version 2>&1 || echo none). Install one and try again." >&2
    exit 1
fi
echo "making the environment in $venv ($("$python" --version))"
if command -v uv >/dev/null 2>&1; then
    [ -x "$venv/bin/python" ] || uv venv --quiet --python "$python" "$venv"
    uv pip install --quiet --python "$venv/bin/python" -r requirements-dev.txt
    uv pip install --quiet --python "$venv/bin/python" --no-build-isolation --no-deps -e .
else
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
fi

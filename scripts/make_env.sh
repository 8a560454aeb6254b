#!/usr/bin/env bash
# Create a Python environment: make_env.sh FOLDER [dev|demo|docs|audit]
#
# dev   the development tools, and the project in editable mode
# demo  only the packages that storectl needs; the command runs the code of this checkout
# docs  only the site generator
# audit only the program that looks for known vulnerabilities
#
# The packages of each set are listed, with versions and hashes, in a file that `make lock` exports
# from uv.lock. The script installs them with uv if uv is available, and otherwise with pip.
set -euo pipefail
venv=$1
set=${2:-dev}

# On Debian, Python may lack the modules that create environments: look for a complete Python.
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
    audit) requirements=requirements-audit.txt ;;
    *) echo "make_env.sh: unknown set '$set': expected dev, demo, docs or audit" >&2 && exit 2 ;;
esac

# The lists include all dependencies, so pip must not resolve any. For a package that is requested
# with an extra, pip would try only the newest release, which is not in the list, and fail.
flags=(--quiet --require-hashes --no-deps -r "$requirements")
# A demo imports few modules, so each is compiled when it is first imported.
[ "$set" = dev ] && compile=--compile || compile=--no-compile

if [ -n "$uv" ]; then
    [ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "${python:->=3.11}" "$venv"
    installer=uv
    install=("$uv" pip install --python "$venv/bin/python")
    compile=""      # uv does not compile modules by default
elif [ "$set" != dev ] && "$python" -m pip --python "$("$python" -c 'import sys; print(sys.executable)')" --version >/dev/null 2>&1; then
    # The pip of this Python can install into another environment. So the new environment needs no
    # pip of its own, which would take half of the time.
    [ -x "$venv/bin/python" ] || "$python" -m venv --without-pip "$venv"
    installer=pip
    install=("$python" -m pip --python "$venv/bin/python" --disable-pip-version-check install)
else
    # An environment that uv created has no pip; venv adds pip.
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv "$venv"
    installer=pip
    install=("$venv/bin/python" -m pip --disable-pip-version-check install)
fi

echo "installing the $set set in $venv ($installer, $("$venv/bin/python" --version))"
"${install[@]}" ${compile:+"$compile"} "${flags[@]}"
case $set in
    dev) "${install[@]}" --quiet --no-build-isolation --no-deps -e . ;;
    demo)
        # This is an editable installation without a build backend: a line that names this checkout,
        # and the command file that pip would write.
        site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        pwd >"$site/storectl-checkout.pth"
        # The path of an interpreter in a first line must be short and without spaces. So the shell
        # starts the interpreter, as in the files that pip writes.
        cat >"$venv/bin/storectl" <<END
#!/bin/sh
'''exec' "$(cd "$venv/bin" && pwd)/python" "\$0" "\$@"
' '''
from storectl.start import main

raise SystemExit(main())
END
        chmod +x "$venv/bin/storectl"
        ;;
esac

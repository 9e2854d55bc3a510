#!/bin/sh
# Install two foreign Bakong clients, pinned by hash, into var/thirdparty for tests/sandbox/test_third_party.py.
# Does nothing when that folder already holds what the pins ask for. PYTHON names another interpreter.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
pins=$root/tests/sandbox
target=$root/var/thirdparty
python=${PYTHON:-$root/.venv/bin/python}
stamp=$(cat "$pins/requirements-thirdparty.txt" "$pins/thirdparty/package.json" "$pins/thirdparty/package-lock.json" | cksum)

if [ -f "$target/stamp" ] && [ "$(cat "$target/stamp")" = "$stamp" ]; then
    echo "third-party clients: already installed"
    exit 0
fi

rm -rf "$target"
mkdir -p "$target/node"
if "$python" -m uv --version >/dev/null 2>&1; then
    "$python" -m uv pip install --quiet --require-hashes --no-deps --python "$python" --target "$target/python" \
        -r "$pins/requirements-thirdparty.txt"
else
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --target "$target/python" -r "$pins/requirements-thirdparty.txt"
fi
cp "$pins/thirdparty/package.json" "$pins/thirdparty/package-lock.json" "$target/node/"
npm ci --prefix "$target/node" --ignore-scripts --no-audit --no-fund --loglevel=error
echo "$stamp" >"$target/stamp"
echo "third-party clients: installed into var/thirdparty"

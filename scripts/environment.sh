# Create or reuse virtual environments with nmt. quickstart.sh, test.sh and tests/conftest.py source this file.
# Usage: source scripts/environment.sh

# Install nmt and all its requirements in .venv, with the optional requirements EXTRA of pyproject.toml.
# Usage: environment [EXTRA]
environment() {
    local extra=${1:-} wanted
    if [ ! -x .venv/bin/python ]; then
        local python
        for python in python3.13 python3.12 python3.11 python3.10 python3; do
            command -v "$python" >/dev/null &&
                "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2])' 2>/dev/null && break
        done || { echo "Python 3.10 or later is needed" >&2; return 1; }
        echo "creating the virtual environment .venv with $("$python" --version)" >&2
        "$python" -m venv .venv
    fi
    wanted="$(cat pyproject.toml scripts/constraints.txt | cksum) ${extra}"
    if ! grep -qxF "$wanted" .venv/installed 2>/dev/null; then
        cpu_torch
        echo "installing nmt${extra:+ with $extra} into .venv" >&2
        .venv/bin/pip install --quiet --disable-pip-version-check -c scripts/constraints.txt -e ".${extra:+[$extra]}" >&2
        echo "$wanted" >>.venv/installed
    fi
}

# Install PyTorch for the CPU in .venv on Linux without an NVIDIA GPU; the package of PyPI brings several gigabytes of CUDA.
# Do nothing if torch is installed already, or if the index of PyTorch (or TORCH_INDEX, a mirror) is not reachable.
cpu_torch() {
    local index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
    local open='import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=10)'
    [ "$(uname -sm)" = "Linux x86_64" ] || return 0
    if command -v nvidia-smi >/dev/null; then return 0; fi
    if compgen -G ".venv/lib/*/site-packages/torch" >/dev/null; then return 0; fi
    .venv/bin/python -c "$open" "$index/torch/" 2>/dev/null || return 0
    echo "no NVIDIA GPU was found: installing PyTorch for the CPU from $index" >&2
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --index-url "$index" -c scripts/constraints.txt torch >&2 || true
}

# Install nmt without torch in .venv-runtime, from the files in requirements/, with the Python of .venv. The tests use it.
# A changed file makes the environment anew, so that it contains no package that is no longer locked.
runtime_environment() {
    local wanted
    wanted=$(cat pyproject.toml requirements/runtime.txt requirements/serve.txt | cksum)
    if [ "$(cat .venv-runtime/installed 2>/dev/null)" != "$wanted" ]; then
        echo "installing nmt without torch into .venv-runtime" >&2
        rm -rf .venv-runtime
        .venv/bin/python -m venv .venv-runtime &&
            .venv-runtime/bin/pip install --quiet --disable-pip-version-check --no-deps \
                -r requirements/runtime.txt -r requirements/serve.txt -e . >&2 &&
            echo "$wanted" >.venv-runtime/installed
    fi
}

# Create or reuse the virtual environment .venv and install nmt in it. quickstart.sh and test.sh source this file.
# Usage: source scripts/environment.sh [EXTRA]

environment() {
    local extra=${1:-} wanted
    if [ ! -x .venv/bin/python ]; then
        local python
        for python in python3.13 python3.12 python3.11 python3.10 python3; do
            command -v "$python" >/dev/null &&
                "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2])' && break
        done || { echo "Python 3.10 or later is needed" >&2; return 1; }
        echo "creating the virtual environment .venv with $("$python" --version)" >&2
        "$python" -m venv .venv
    fi
    wanted="$(cat pyproject.toml scripts/constraints.txt | cksum) ${extra}"
    if ! grep -qxF "$wanted" .venv/installed 2>/dev/null; then
        echo "installing nmt${extra:+ with $extra} into .venv" >&2
        .venv/bin/pip install --quiet --disable-pip-version-check -c scripts/constraints.txt -e ".${extra:+[$extra]}" >&2
        echo "$wanted" >>.venv/installed
    fi
}

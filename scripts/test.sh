#!/usr/bin/env bash
# Run lint, type checks and tests in the virtual environment .venv. Arguments are passed to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
environment dev
runtime_environment
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest -n "$(nproc)" --dist worksteal "$@"

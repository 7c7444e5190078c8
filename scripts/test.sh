#!/usr/bin/env bash
# Lint, types and tests, in an environment of their own making. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
environment dev
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest -n "$(nproc)" "$@"

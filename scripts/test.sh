#!/usr/bin/env bash
# Lint, types and tests, in an environment of their own making. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
environment dev
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# One thread for each worker: two that wait for each other on one core take ten times as long.
OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n "$(nproc)" "$@"

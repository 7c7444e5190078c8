#!/usr/bin/env bash
# From nothing to a translator: installs nmt, trains English to German on data/quickstart, translates, scores.
# Run it again and it reuses what is there.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
environment
export PATH="$PWD/.venv/bin:$PATH"
config=configs/quickstart.yaml run=runs/quickstart

nmt preprocess --config $config
if [ ! -e $run/finished.json ]; then
    [ -e $run/checkpoints/last ] && resume=--resume || resume=
    nmt train --config $config $resume
fi

echo
echo "== Some sentences of the test set, and their translations"
some=$(head -n 5 data/quickstart/test.en)
paste -d '\n' <(echo "$some") <(echo "$some" | nmt translate --model $run --quiet)
echo
echo "== The whole test set"
nmt evaluate --model $run --split test
echo
echo "== Now you:  echo 'The small cat is sleeping.' | .venv/bin/nmt translate"

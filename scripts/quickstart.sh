#!/usr/bin/env bash
# Install nmt, train an English-German model on data/quickstart, translate the test set and score the translations.
# A second run reuses the environment, the prepared data and the model.
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
echo "== Five sentences of the test set and their translations"
some=$(head -n 5 data/quickstart/test.en)
paste -d '\n' <(echo "$some") <(echo "$some" | nmt translate --model $run --quiet)
echo
echo "== The whole test set"
nmt evaluate --model $run --split test
echo
echo "== Translate your own sentence:  echo 'The small cat is sleeping.' | .venv/bin/nmt translate"

#!/bin/bash
# Train on all GPUs of this machine, or with PROCESSES processes on its CPU.
#
#   scripts/launch/train-one-node.sh --config mine.yaml
#   PROCESSES=2 OMP_NUM_THREADS=1 scripts/launch/train-one-node.sh --config mine.yaml --set training.device=cpu
#
# The arguments are those of `nmt train`. A process that is killed is started again up to RESTARTS times, and the run
# continues from its last checkpoint.

set -euo pipefail

if [ $# -eq 0 ]; then
    echo "train-one-node.sh: give the arguments of nmt train: --config mine.yaml" >&2
    exit 2
fi
exec torchrun --standalone --nproc-per-node="${PROCESSES:-gpu}" --max-restarts="${RESTARTS:-3}" -m nmt train "$@"

#!/bin/bash
# Train in the pods of a PyTorchJob (Kubeflow), or of another service that sets the same variables in each pod:
# MASTER_ADDR and MASTER_PORT of the first pod, WORLD_SIZE, the number of pods, and RANK, the number of this pod from 0.
#
#   command: ["scripts/launch/train-kubernetes.sh", "--config", "mine.yaml"]
#
# The working directory must be on a volume that all pods share. JOB is the name of the job, so that pods that are
# started again continue the run. PROCESSES is the number of processes in a pod (default: one for each GPU).

set -euo pipefail

for name in MASTER_ADDR MASTER_PORT WORLD_SIZE RANK; do
    if [ -z "${!name:-}" ]; then
        echo "train-kubernetes.sh: $name is not set; start this script in the pods of a PyTorchJob" >&2
        exit 2
    fi
done
nodes=$WORLD_SIZE
node=$RANK
address=$MASTER_ADDR
port=$MASTER_PORT
unset WORLD_SIZE RANK MASTER_ADDR MASTER_PORT  # torchrun sets them for its processes
exec torchrun --nnodes="$nodes" --node-rank="$node" --nproc-per-node="${PROCESSES:-gpu}" \
    --max-restarts="${RESTARTS:-3}" --rdzv-id="${JOB:-nmt}" --master-addr="$address" --master-port="$port" \
    -m nmt train "$@"

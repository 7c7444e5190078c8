#!/bin/bash
# Train on several machines: start this script on each of them, in the same folder of a common file system.
#
#   HEAD=node1 NODES=2 JOB=mine scripts/launch/train-several-nodes.sh --config mine.yaml
#
# HEAD is the name or address of one of the machines, which the others must reach on PORT (default 29400). JOB is a name
# of your choice: a machine that joins again under the same JOB continues the run. PROCESSES is the number of processes
# on each machine (default: one for each GPU). Without an NVIDIA GPU, gloo connects the processes over the interface to
# which the host name belongs; GLOO_SOCKET_IFNAME names another one, such as eth0.

set -euo pipefail

for name in HEAD NODES JOB; do
    if [ -z "${!name:-}" ]; then
        echo "train-several-nodes.sh: set $name, for example HEAD=node1 NODES=2 JOB=mine" >&2
        exit 2
    fi
done
exec torchrun --nnodes="$NODES" --nproc-per-node="${PROCESSES:-gpu}" --max-restarts="${RESTARTS:-3}" \
    --rdzv-id="$JOB" --rdzv-backend=c10d --rdzv-endpoint="$HEAD:${PORT:-29400}" -m nmt train "$@"

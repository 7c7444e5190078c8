#!/bin/bash
# Train on several nodes of a Slurm cluster.
#
#   sbatch --nodes=2 --gpus-per-node=4 scripts/launch/slurm-train.sh --config mine.yaml
#
# The arguments are those of `nmt train`. Each node gets one torchrun, and torchrun one process for each GPU; without
# GPUs set PROCESSES, as in sbatch --export=ALL,PROCESSES=2. Two minutes before the end of the time, the run saves a
# checkpoint and stops. A job that Slurm requeues keeps its number, and continues the run; otherwise submit the same
# command again with --resume. Submit from the folder to which relative paths refer, with the environment activated.

#SBATCH --job-name=nmt-train
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue

set -euo pipefail

if [ -z "${SLURM_JOB_ID:-}" ]; then
    echo "slurm-train.sh: submit this script: sbatch --nodes=2 --gpus-per-node=4 $0 --config mine.yaml" >&2
    exit 2
fi
if [ $# -eq 0 ]; then
    echo "slurm-train.sh: give the arguments of nmt train: --config mine.yaml" >&2
    exit 2
fi
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
processes=${PROCESSES:-gpu}
if [ -n "${PROCESSES:-}" ]; then
    export OMP_NUM_THREADS=$((${SLURM_CPUS_PER_TASK:-1} / PROCESSES))
fi
exec srun torchrun --nnodes="$SLURM_NNODES" --nproc-per-node="$processes" --max-restarts="${RESTARTS:-3}" \
    --rdzv-id="$SLURM_JOB_ID" --rdzv-backend=c10d --rdzv-endpoint="$head:${PORT:-29400}" -m nmt train "$@"

#!/bin/bash
# Translate many files with an array of Slurm jobs.
#
#   sbatch --array=1-8 scripts/launch/slurm-translate.sh --model runs/mine --input 'corpus/*.gz' --output-folder OUT
#   sbatch --dependency=afterany:JOB --wrap 'nmt shards OUT'       # check the result, join what is left to join
#
# The arguments are those of `nmt translate`. Each job of the array translates its share of all parts; all jobs give the
# same arguments. Submit the same command again after a failure: only what is missing is translated. To submit single
# jobs of the array again, add the size of the array: sbatch --array=3,5 --export=ALL,SHARDS=8 ...
# Submit from the folder to which relative paths refer, with `nmt` in PATH (source .venv/bin/activate).

#SBATCH --job-name=nmt-translate
#SBATCH --cpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --requeue

set -euo pipefail

if [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then
    echo "slurm-translate.sh: submit this script as an array that begins with 1: sbatch --array=1-8 $0 ..." >&2
    exit 2
fi
if [ $# -eq 0 ]; then
    echo "slurm-translate.sh: give the arguments of nmt translate: --input 'PATTERN' --output-folder FOLDER" >&2
    exit 2
fi
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
exec srun nmt translate "$@" --shard "$SLURM_ARRAY_TASK_ID/${SHARDS:-$SLURM_ARRAY_TASK_COUNT}"

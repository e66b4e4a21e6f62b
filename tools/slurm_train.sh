#!/usr/bin/env bash
# Train with Slurm, one task per GPU:
#   GPUS=8 tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options of tools/train.py]
# GPUS (8 by default), GPUS_PER_NODE (8, or GPUS if fewer), CPUS_PER_TASK (5), SRUN_ARGS, MASTER_PORT and PYTHON are read
# from the environment; GPUS_PER_NODE=0 requests no GPU and starts GPUS tasks on the CPU.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: [GPUS=8] tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options of tools/train.py]" >&2
    exit 2
fi
partition=$1
job_name=$2
config=$3
shift 3
. "$(dirname "$0")/misc/slurm.sh"
submit "$partition" "$job_name" train.py "$config" --launcher slurm "$@"

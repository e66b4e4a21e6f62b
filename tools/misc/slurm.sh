# Sourced by slurm_train.sh and slurm_test.sh: submit PARTITION JOB_NAME TOOL [ARGUMENTS].
submit() {
    local partition=$1 job_name=$2 tool=$3 tools
    shift 3
    tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    local gpus=${GPUS:-8} per_node
    per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    local size=(--gres="gpu:$per_node" --ntasks="$gpus" --ntasks-per-node="$per_node")
    if [ "$per_node" = 0 ]; then
        size=(--ntasks="$gpus")
    fi
    export PYTHONPATH="${tools%/*}${PYTHONPATH:+:$PYTHONPATH}"
    export MASTER_PORT="${MASTER_PORT:-$((20000 + RANDOM % 20000))}" # jobs that share a node must not share a port
    local extra
    read -ra extra <<<"${SRUN_ARGS:-}"
    # kill-on-bad-exit: one task that fails ends all, instead of leaving them waiting for it
    exec srun -p "$partition" --job-name="$job_name" "${size[@]}" --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 ${extra[@]+"${extra[@]}"} "${PYTHON:-python}" -u "$tools/$tool" "$@"
}

# Sourced by dist_train.sh and dist_test.sh: launch PROCESSES TOOL [ARGUMENTS].
launch() {
    local processes=$1 tool=$2 tools
    shift 2
    case $processes in
        '' | *[!0-9]* | 0)
            echo "error: PROCESSES is '$processes'; expected their number on this machine, 1 or more." >&2
            return 2
            ;;
    esac
    tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    export PYTHONPATH="${tools%/*}${PYTHONPATH:+:$PYTHONPATH}"
    local where=(--standalone) # torchrun finds a free port
    if [ "${NNODES:-1}" != 1 ] || [ -n "${PORT:-}" ]; then
        where=(--nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}" --master-addr "${MASTER_ADDR:-127.0.0.1}"
            --master-port "${PORT:-29500}")
    fi
    exec "${PYTHON:-python}" "$tools/dist_launch.py" "${where[@]}" --nproc-per-node "$processes" "$tools/$tool" "$@"
}

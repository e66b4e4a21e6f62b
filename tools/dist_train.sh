#!/usr/bin/env bash
# Train in several processes, one per GPU; without a GPU they share the CPU's cores.
#   tools/dist_train.sh CONFIG PROCESSES [options of tools/train.py]
# Several machines: the same on each, with NNODES, NODE_RANK, MASTER_ADDR and PORT set. PYTHON sets the interpreter.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: tools/dist_train.sh CONFIG PROCESSES [options of tools/train.py]" >&2
    exit 2
fi
config=$1
processes=$2
shift 2
. "$(dirname "$0")/misc/dist.sh"
launch "$processes" train.py "$config" --launcher pytorch "$@"

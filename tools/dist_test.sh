#!/usr/bin/env bash
# Score a checkpoint in several processes, one per GPU; without a GPU they share the CPU's cores.
#   tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [options of tools/test.py]
# Several machines: the same on each, with NNODES, NODE_RANK, MASTER_ADDR and PORT set. PYTHON sets the interpreter.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [options of tools/test.py]" >&2
    exit 2
fi
config=$1
checkpoint=$2
processes=$3
shift 3
. "$(dirname "$0")/misc/dist.sh"
launch "$processes" test.py "$config" "$checkpoint" --launcher pytorch "$@"

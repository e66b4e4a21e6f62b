"""Run one of the tools with torchrun, with readable error messages; used by dist_train.sh and dist_test.sh."""

import logging
import os
import signal
import sys

import torch
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure


def main() -> int:
    """Start the processes, wait, and report which one failed first; the others are then stopped."""
    args = torchrun.parse_args(sys.argv[1:])
    logging.getLogger('torch.distributed.elastic').setLevel(logging.CRITICAL)  # its messages are replaced below
    here = torchrun.determine_local_world_size(args.nproc_per_node)
    share = 1 if torch.cuda.is_available() else max(1, available_cores() // here)
    for library in ('OMP', 'MKL'):
        os.environ.setdefault(f'{library}_NUM_THREADS', str(share))
    try:
        torchrun.run(args)
    except ChildFailedError as error:
        return report(error.failures)
    except (SignalException, KeyboardInterrupt) as error:
        number = getattr(error, 'sigval', signal.SIGINT)
        print(f'error: stopped by {signal.Signals(number).name}, all processes with it.', file=sys.stderr)
        return 128 + number
    return 0


def available_cores() -> int:
    """Return how many cores this process may use; on macOS, which does not say so, how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def report(failures: dict[int, ProcessFailure]) -> int:
    """Print once why the job ended; return its exit status."""
    first = {rank: failure for rank, failure in failures.items() if not is_consequence(failure)} or failures
    told = {failure.message: failure.exitcode for failure in first.values() if 'timestamp' in failure.error_file_data}
    for message in told:
        print(message, file=sys.stderr)
    for rank, failure in first.items():
        if told:
            continue  # a failure without a message is a consequence
        name = f'error: process {rank} (pid {failure.pid})'
        if failure.exitcode < 0:
            why = ' (the kernel does so when memory runs out)' if failure.exitcode == -signal.SIGKILL else ''
            print(f'{name} was ended by {failure.signal_name()}{why}; the others were stopped. Continue a training '
                  'with --resume.', file=sys.stderr)
        else:
            print(f'{name} failed with status {failure.exitcode}; the reason is above. The others were stopped.',
                  file=sys.stderr)
    status = next(iter(first.values())).exitcode
    return status if status > 0 else 128 - status


def is_consequence(failure: ProcessFailure) -> bool:
    """Return whether a process lost its connection to the one that failed, or was stopped because of it."""
    return bool(failure.error_file_data.get('lost')) or failure.exitcode == -signal.SIGTERM


if __name__ == '__main__':
    sys.exit(main())

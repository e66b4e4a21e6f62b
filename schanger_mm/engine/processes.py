"""Train and test in several processes."""

from __future__ import annotations

import datetime
import os
import subprocess

import torch
from mmengine.config import Config, ConfigDict
from torch import distributed

from schanger_mm.config.loading import ConfigError

#: variables set by each launcher: rank, number of processes, and rank on this machine
TOLD = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}
STARTED_BY = {
    'pytorch': '`torchrun --nproc-per-node PROCESSES -m schanger_mm train CONFIG --launcher pytorch`',
    'slurm': '`srun -n PROCESSES schanger train CONFIG --launcher slurm`',
    'mpi': 'mpirun -np PROCESSES, with MASTER_ADDR set',
}
PORT = '29500'  # torch's own default


def check_launcher(launcher: str) -> None:
    """Reject settings from which no process group can be created.

    Raises:
        ConfigError: the launcher has not started this process, torch has no
            backend to connect processes, or there are more processes than GPUs.
    """
    if launcher == 'none':
        return
    if missing := [name for name in TOLD[launcher] if not os.environ.get(name)]:
        raise ConfigError(f'--launcher {launcher}: {", ".join(missing)} not set, so it has not started this process; '
                          f'start with {STARTED_BY[launcher]}, or omit --launcher.')
    if not torch.cuda.is_available():
        if not (distributed.is_available() and distributed.is_gloo_available()):
            raise ConfigError(f'--launcher {launcher}: no GPU was found, and this build of torch has no gloo to '
                              'connect processes on the CPU; omit --launcher, or install a build that has it.')
        return
    process, gpus = int(os.environ[TOLD[launcher][2]]), torch.cuda.device_count()
    if process >= gpus:
        raise ConfigError(f'--launcher {launcher}: process {process} of this machine has no GPU, of which there '
                          f'{"is 1" if gpus == 1 else f"are {gpus}"}; start one process per GPU.')


def is_first(launcher: str) -> bool:
    """Whether this process is the first of its run, also before they are connected."""
    return launcher == 'none' or os.environ.get(TOLD[launcher][0], '0') == '0'


def connect(cfg: Config) -> None:
    """Connect the processes by gloo if there is no GPU; with GPUs mmengine does it, as ``env_cfg.dist_cfg`` says.

    ``env_cfg.dist_cfg.timeout`` (seconds, 1800 by default) is how long a
    process waits for one that does not respond; one that ends is noticed at once.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.cuda.is_available():
        return
    if cfg.get('model_wrapper_cfg') is None:  # mmengine's own wrapper needs a GPU
        cfg.model_wrapper_cfg = ConfigDict(
            type='schanger_mm.CPUDataParallel', device_ids=None, broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False))
    if distributed.is_initialized():
        return
    for name, theirs in zip(TOLD['pytorch'], TOLD[launcher]):
        os.environ[name] = os.environ[theirs]
    os.environ.setdefault('MASTER_PORT', PORT)
    if launcher == 'slurm':
        os.environ.setdefault('MASTER_ADDR', _first_host())
    if 'MASTER_ADDR' not in os.environ:
        raise ConfigError(f'--launcher {launcher}: MASTER_ADDR is not set; set it to the host of process 0.')
    timeout = ((cfg.get('env_cfg') or {}).get('dist_cfg') or {}).get('timeout', 1800)
    distributed.init_process_group('gloo', timeout=datetime.timedelta(seconds=timeout))


def _first_host() -> str:
    nodes = os.environ.get('SLURM_NODELIST', '')
    try:
        hosts = subprocess.run(['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(f'--launcher slurm: scontrol does not list the hosts of SLURM_NODELIST={nodes!r}; set '
                          'MASTER_ADDR to the host of process 0.') from error
    return hosts.stdout.split()[0]

"""The devices that networks run on: the CPU and NVIDIA's GPUs."""

from __future__ import annotations

import torch


def parse_device(name: str | torch.device, error: type[ValueError] = ValueError) -> torch.device:
    """Read the name of a device, whether it is there or not.

    Args:
        name: ``'cpu'``, ``'cuda'`` or ``'cuda:N'``.
        error: to raise.

    Raises:
        ValueError: another name, also of a device that torch knows and nothing here was tried on, such as ``'mps'``.
    """
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as cause:
        raise error(f'--device {name}: expected cpu, cuda or cuda:N.') from cause
    if device.type not in ('cpu', 'cuda'):
        raise error(f'--device {name}: expected cpu, cuda or cuda:N.')
    return device


def find_device(name: str | torch.device, what: str, error: type[ValueError] = ValueError) -> torch.device:
    """Read the name of a device that must be there.

    Args:
        name: ``'cpu'``, ``'cuda'`` or ``'cuda:N'``.
        what: what is done on it, such as ``'predict on'``, for the message.
        error: to raise.

    Raises:
        ValueError: another name, or no such GPU.
    """
    device = parse_device(name, error)
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise error(f'--device {name}: no GPU was found; leave it away to {what} the CPU.')
    if device.type == 'cuda' and device.index is not None and device.index >= torch.cuda.device_count():
        raise error(f'--device {name}: expected a number below {torch.cuda.device_count()}, the number of GPUs.')
    return device

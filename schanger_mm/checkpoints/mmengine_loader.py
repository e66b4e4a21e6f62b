"""Redirect all of mmengine's checkpoint loading to our loader.

mmengine tries ``weights_only`` first and unpickles what that rejects; torch's
``load_state_dict_from_url``, used for all of its addresses, unpickles at once.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urldefrag, urlparse

import torch
from mmengine.dist import barrier, get_rank
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from schanger_mm.checkpoints.checkpoint import Checkpoint
from schanger_mm.checkpoints.download import DownloadError, download
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.hub import SCHEME, is_address, pinned
from schanger_mm.checkpoints.reading import read_checkpoint
from schanger_mm.utils.files import move_into_place, sha256_of
from schanger_mm.utils.text import nearest

DIGITS = 16
"""Digits of the SHA-256 in the name of a downloaded file."""
_loads: list[Load] = []


class Load:
    """A load by mmengine: the checkpoint read before it, and the SHA-256 of what it received.

    Args:
        ahead: a checkpoint that has been read, if any.
    """

    def __init__(self, ahead: Checkpoint | None = None):
        self.ahead, self.sha256 = ahead, ''

    def take(self, filename: str, map_location: str | torch.device | None) -> dict:
        """Return the content read ahead if it is that of this file, unchanged; else read the file.

        The checkpoint read ahead is emptied, so that references to it keep no memory.
        """
        ahead, self.ahead = self.ahead, None
        if ahead is None or not ahead.is_current() or not _is_of(ahead, filename):
            ahead = read_checkpoint(filename, map_location)
        self.sha256 = ahead.sha256
        content = copy.copy(ahead.content)
        ahead.content.clear()
        return content


def _is_of(checkpoint: Checkpoint, filename: str) -> bool:
    """Return whether a checkpoint was read from a file, or from an address with a commit."""
    if is_address(filename):
        return checkpoint.name == filename
    return os.path.realpath(checkpoint.path) == os.path.realpath(filename)


@contextmanager
def one_load(ahead: Checkpoint | None = None) -> Iterator[Load]:
    """Let a load by mmengine within this context use ``ahead`` instead of reading its file again.

    Tensors stay on the device where they were read; mmengine copies them into the network.
    """
    load = Load(ahead)
    _loads.append(load)
    try:
        yield load
    finally:
        _loads.remove(load)


def guard_mmengine() -> None:
    """Replace all of mmengine's loaders by ours, in this process.

    The Runner's ``load_from`` and resume, ``init_cfg`` and backbones that
    read files themselves use them.
    """
    for prefixes, loader in (
            ('', load_from_local), (SCHEME, load_from_hub), (('http://', 'https://'), load_from_http),
            (('modelzoo://', 'torchvision://'), load_from_torchvision),
            (('open-mmlab://', 'openmmlab://'), load_from_openmmlab), ('mmcls://', load_from_mmcls)):
        CheckpointLoader.register_scheme(prefixes, loader, force=True)
    for prefix, loader in list(CheckpointLoader._schemes.items()):
        if loader.__module__ != __name__:  # other stores of mmengine, and loaders of newer versions
            CheckpointLoader.register_scheme(prefix, load_from_elsewhere, force=True)


def load_from_local(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read a file; see :func:`read_checkpoint` for what is rejected."""
    content = (_loads[-1] if _loads else Load()).take(filename, map_location)
    if isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)  # text from mmcv 1 that Runner.resume would execute to count GPUs
    return content


def load_from_hub(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read a model of the hub, ``hf://org/name[@revision]``; the log names its commit."""
    address = pinned(filename)
    if address != filename:
        print_log(f'{filename} is {address}', logger='current')
    return load_from_local(address, map_location)


def load_from_http(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read a file from the web, fetched by one process and cached below torch's folder.

    It is cached by its address and content: two addresses share no file, and a file that differs from the
    download is rejected. An address may end in ``#sha256=`` and 64 digits, which the file must match.
    """
    if get_rank() == 0:
        _fetch(filename)
    barrier()
    path, expected = _fetch(filename)  # the other machines
    with one_load() as load:
        content = load_from_local(str(path), map_location)
    if not load.sha256.startswith(expected):
        raise CheckpointError(f'{path}: its SHA-256 is {load.sha256}, expected {expected} ...: it is not the file '
                              f'that was downloaded from {filename}. Delete it to fetch it again.')
    if _loads:
        _loads[-1].sha256 = load.sha256
    return content


def load_from_torchvision(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read weights of torchvision by name."""
    try:
        models = mmengine_checkpoint.get_torchvision_models()
    except ModuleNotFoundError as error:
        raise CheckpointError(f'{filename}: needs {error.name}, which is not installed: pip install {error.name}.'
                              ) from error
    return load_from_http(_look_up(models, filename), map_location)


def load_from_openmmlab(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read weights of OpenMMLab's list, or of the user's own in mmengine's folder."""
    name = mmengine_checkpoint.get_deprecated_model_names().get(_name(filename), _name(filename))
    place = _look_up(mmengine_checkpoint.get_external_models(), f'open-mmlab://{name}')
    if place.startswith(('http://', 'https://')):
        return load_from_http(place, map_location)
    return load_from_local(os.path.join(mmengine_checkpoint._get_mmengine_home(), place), map_location)


def load_from_mmcls(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read the backbone of a classifier of OpenMMLab's list."""
    content = load_from_http(_look_up(mmengine_checkpoint.get_mmcls_models(), filename), map_location)
    state = content.get('state_dict', content)
    return dict(state_dict=OrderedDict(
        (name.removeprefix('backbone.'), value) for name, value in state.items() if name.startswith('backbone.')))


def load_from_elsewhere(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Reject all other stores.

    Raises:
        CheckpointError: always.
    """
    raise CheckpointError(f'{filename}: checkpoints are read from files, web addresses and the Hugging Face hub only; '
                          'download it and give the path of the local file.')


def _name(filename: str) -> str:
    return filename.partition('://')[2]


def _look_up(models: Mapping[str, str], filename: str) -> str:
    if (name := _name(filename)) not in models:
        near = nearest(name, models, cutoff=0.6)
        raise CheckpointError(f'{filename}: no weights of this name are known'
                              + (f'; did you mean {near!r}?' if near else '.'))
    return models[name]


def _fetch(address: str) -> tuple[Path, str]:
    """Return the downloaded file of an address, and the first digits of its SHA-256."""
    url, pin = urldefrag(address)
    expected = pin.removeprefix('sha256=').lower()
    if pin and not re.fullmatch('[0-9a-f]{64}', expected):
        raise CheckpointError(f'{address}: expected #sha256= and 64 hexadecimal digits after the address.')
    folder = Path(torch.hub.get_dir(), 'checkpoints', 'by_address', hashlib.sha256(url.encode()).hexdigest()[:32])
    name = os.path.basename(urlparse(url).path) or 'weights.pth'
    found = sorted(folder.glob(f'{expected[:DIGITS] or "*"}-{name}'))
    if not found:
        fresh = folder / name
        try:
            download(url, fresh, expected or None)
        except DownloadError as error:
            raise CheckpointError(f'{error} Or name a local file.') from error
        found = [folder / f'{sha256_of(fresh)[:DIGITS]}-{name}']
        move_into_place(fresh, found[0])
    return found[0], expected or found[0].name[:DIGITS]

"""mmengine's ways to checkpoints, all of them through our loader.

mmengine tries ``weights_only`` first and unpickles what that refuses; torch's
``load_state_dict_from_url``, behind all of its addresses, unpickles at once.
"""

from __future__ import annotations

import difflib
import http.client
import os
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_rank
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.reading import read_checkpoint


def guard_mmengine() -> None:
    """Put our loader in the place of all of mmengine's, for this process.

    The Runner's ``load_from`` and resume, ``init_cfg`` and the backbones that
    read files by themselves go through them.
    """
    for prefixes, loader in (
            ('', load_from_local), (('http://', 'https://'), load_from_http),
            (('modelzoo://', 'torchvision://'), load_from_torchvision),
            (('open-mmlab://', 'openmmlab://'), load_from_openmmlab), ('mmcls://', load_from_mmcls)):
        CheckpointLoader.register_scheme(prefixes, loader, force=True)
    for prefix, loader in list(CheckpointLoader._schemes.items()):
        if loader.__module__ != __name__:  # stores of mmengine's makers, and what a newer mmengine brings
            CheckpointLoader.register_scheme(prefix, load_from_elsewhere, force=True)


def load_from_local(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read a file; :func:`read_checkpoint` says what is refused."""
    content = read_checkpoint(filename, map_location)
    if isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)  # text of mmcv 1 that Runner.resume would execute to count GPUs
    return content


def load_from_http(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read a file of the web, kept where torch keeps them and fetched by one process."""
    cached = os.path.join(torch.hub.get_dir(), 'checkpoints', os.path.basename(urlparse(filename).path))
    if get_rank() == 0:
        _fetch(filename, cached)
    barrier()
    _fetch(filename, cached)  # the other machines
    return load_from_local(cached, map_location)


def load_from_torchvision(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read weights of torchvision by their name there."""
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
    """Refuse the rest.

    Raises:
        CheckpointError: always.
    """
    raise CheckpointError(f'{filename}: checkpoints are read from files and web addresses only; fetch it and name the '
                          'local file.')


def _name(filename: str) -> str:
    return filename.partition('://')[2]


def _look_up(models: Mapping[str, str], filename: str) -> str:
    if (name := _name(filename)) not in models:
        near = difflib.get_close_matches(name, models, n=1)
        raise CheckpointError(f'{filename}: no weights of this name are known'
                              + (f'; did you mean {near[0]!r}?' if near else '.'))
    return models[name]


def _fetch(url: str, path: str) -> None:
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, path)
        except (OSError, RuntimeError, ValueError, http.client.HTTPException) as error:
            raise CheckpointError(f'{url}: could not be fetched ({type(error).__name__}: {error}). Check the address '
                                  'and the network, or name a local file.') from error

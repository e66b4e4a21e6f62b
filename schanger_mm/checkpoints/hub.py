"""Find models on the Hugging Face hub, ``hf://org/name[@revision]``, and in folders with the same files.

A model is ``model.safetensors`` and ``config.json``, values that are never executed. ``huggingface_hub`` downloads them
into its own cache, which is organised by commit; nothing else is written there.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.utils.errors import UserError
from schanger_mm.utils.optional import require
from schanger_mm.utils.text import first_line, first_of

SCHEME = 'hf://'
WEIGHTS, CONFIG, CARD = 'model.safetensors', 'config.json', 'README.md'
PICKLED = ('.bin', '.pth', '.pt', '.ckpt', '.pkl', '.pickle')
LOG_IN = 'log in with `hf auth login`, or set HF_TOKEN'
_ADDRESS = re.compile(r'hf://(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+(/[\w.-]+)*))?', re.ASCII)
_COMMIT = re.compile('[0-9a-f]{40}')  # and any other hash of git
_found: dict[str, ModelFiles] = {}
"""Models that this process has found, by address with a commit."""


class HubError(CheckpointError):
    """A model of the hub does not exist, cannot be reached, or is not one that is read."""


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model on this machine.

    Args:
        name: ``hf://org/name@COMMIT``, or the folder.
        weights: ``model.safetensors``.
        config: ``config.json``, if there is one.
        sha256: SHA-256 of the weights that the hub states, if it does.
        note: why there is no config, if that is known.
    """

    name: str
    weights: Path
    config: Path | None = None
    sha256: str | None = None
    note: str = ''


def is_address(name: object) -> bool:
    """Return whether ``name`` is meant as the address of a model on the hub."""
    return isinstance(name, str) and name.startswith(SCHEME)


def address_of(name: str | Path, revision: str | None = None) -> str:
    """Return the address of ``org/name`` or ``hf://org/name``; a folder that exists is returned as it is.

    Raises:
        HubError: it is none of them, or a folder or an address that names a revision is given another one.
    """
    name = str(name)
    if not is_address(name) and Path(name).is_dir():
        if revision is not None:
            raise HubError(f'{name} is a folder, which has no revision {revision!r}; omit it, or write '
                           f'{SCHEME}ORG/NAME for a model of the hub.')
        return name
    address = name if is_address(name) else SCHEME + name
    if revision is not None:
        if '@' in address:
            raise HubError(f'{name} names a revision, and revision={revision!r} another one; name one.')
        address += f'@{revision}'
    parse_address(address)
    return address


def parse_address(address: str) -> tuple[str, str]:
    """Split an address into ``org/name`` and a revision, ``'main'`` by default.

    Raises:
        HubError: it has another form.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None or '..' in address:
        raise HubError(f'{address}: expected {SCHEME}ORG/NAME, optionally with @REVISION: a branch, a tag or a commit.')
    return parts['repo'], parts['revision'] or 'main'


def find_model(name: str | Path) -> ModelFiles:
    """Return the files of a model; those of the hub are downloaded unless they are in its cache.

    For an address without a commit, the hub is asked which one is meant. If it cannot be reached, the last known one is
    used, with a warning unless ``HF_HUB_OFFLINE`` is set. A cached commit needs no network.

    Args:
        name: an address, or a folder.

    Raises:
        MissingPackageError: ``huggingface_hub`` is not installed.
        HubError: there is no such model, it cannot be reached, its files are others than the hub states, or it holds no
            plain weights.
    """
    if not is_address(name):
        return _in_folder(Path(name), str(name))
    address = str(name)
    repo, revision = parse_address(address)
    if address in _found and _found[address].weights.is_file():
        return _found[address]
    found = _ask(address, repo, revision)
    _found[found.name] = found  # of a commit, which never changes
    return found


def _ask(address: str, repo: str, revision: str) -> ModelFiles:
    hub = require('huggingface_hub', 'hub', address)
    with hub_errors(address) as failures:
        cached = _cached(hub, repo, revision)
        exact = _COMMIT.fullmatch(revision) is not None
        if exact and cached is not None and cached.config is not None:
            return cached
        try:
            info = hub.HfApi().model_info(repo, revision=revision, files_metadata=True,
                                          timeout=hub.constants.HF_HUB_ETAG_TIMEOUT)
        except failures as error:
            if cached is None or not _is_unreachable(error):
                raise
            if not exact and not hub.constants.HF_HUB_OFFLINE:
                logging.getLogger(__name__).warning('%s: the hub cannot be reached (%s); using the cached commit, %s.',
                                                    address, first_line(error, 100), cached.name)
            return cached
        return _download(hub, repo, revision, info)


def pinned(address: str) -> str:
    """Download a model and return its address with the commit that was found, ``hf://org/name@COMMIT``."""
    return find_model(address).name


@contextmanager
def hub_errors(address: str) -> Iterator[tuple[type[Exception], ...]]:
    """Turn errors of ``huggingface_hub`` and of its network library into a :class:`HubError` of one line.

    Yields:
        The types of those errors.
    """
    errors = require('huggingface_hub.errors', 'hub', address)
    failures = OSError, ValueError, errors.HTTPError
    try:
        yield failures
    except UserError:
        raise
    except failures as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
            raise  # from the disk, not from the network
        raise HubError(f'{address}: {_explain(errors, error, address)}') from error


def _download(hub: ModuleType, repo: str, revision: str, info: Any) -> ModelFiles:
    address = f'{SCHEME}{repo}@{info.sha}'
    stated = {file.rfilename: file for file in info.siblings or ()}
    weights = _choose(list(stated), address)
    paths = {}
    for name in [CONFIG, weights] if CONFIG in stated else [weights]:  # weights last: where they are, all is
        path = paths[name] = Path(hub.hf_hub_download(repo, name, revision=revision))
        if info.sha not in path.parts:
            raise HubError(f'{SCHEME}{repo}@{revision} moved to another commit while it was read; run the command '
                           'again.')
        if stated[name].lfs is None:
            _check_git_id(path, stated[name].blob_id, address)
    lfs = stated[weights].lfs
    scripts = [name for name in stated if name.endswith('.py')]
    note = f'its config is Python ({first_of(scripts)}), which runs code and was not downloaded' if scripts else ''
    return ModelFiles(address, paths[weights], paths.get(CONFIG), None if lfs is None else lfs.sha256, note)


def _cached(hub: ModuleType, repo: str, revision: str) -> ModelFiles | None:
    """Return a model from the cache; None if it is not there completely."""
    try:
        folder = Path(hub.snapshot_download(repo, revision=revision, local_files_only=True,
                                            allow_patterns=[WEIGHTS, CONFIG]))
        found = _in_folder(folder, f'{SCHEME}{repo}@{folder.name}')
    except (hub.errors.LocalEntryNotFoundError, HubError):
        return None
    stated = found.weights.resolve().name  # the cache names files by the hash that the hub states
    if found.config is not None:
        _check_git_id(found.config, found.config.resolve().name, found.name)
    return ModelFiles(found.name, found.weights, found.config, stated if re.fullmatch('[0-9a-f]{64}', stated) else None)


def _in_folder(folder: Path, name: str) -> ModelFiles:
    config = folder / CONFIG
    weights = folder / _choose([path.name for path in folder.iterdir()], name)
    return ModelFiles(name, weights, config if config.is_file() else None)


def _choose(names: Sequence[str], where: str) -> str:
    """Return the name of the weights among the files of a model.

    Raises:
        HubError: there are none in safetensors, or several.
    """
    plain = sorted(name for name in names if name.endswith('.safetensors') and '/' not in name)
    if WEIGHTS in plain or len(plain) == 1:
        return WEIGHTS if WEIGHTS in plain else plain[0]
    if plain:
        raise HubError(f'{where}: expected {WEIGHTS}, found {len(plain)} files of weights: {first_of(plain, most=4)}. '
                       'Name the path of one, after a download of it if need be.')
    pickled = sorted(name for name in names if name.endswith(PICKLED))
    if not pickled:
        raise HubError(f'{where}: no {WEIGHTS} in it; found {first_of(sorted(names)) or "nothing"}.')
    if not is_address(where):
        raise HubError(f'{where}: no {WEIGHTS} in this folder; name one of its files ({first_of(pickled, most=4)}).')
    raise HubError(f'{where} holds weights only as {first_of(pickled, most=4)}: pickles, which can run code and are '
                   'not downloaded. Its owner can write plain weights (schanger to-safetensors, or schanger convert '
                   "for SChanger's own) and publish them (schanger publish --hub).")


def _check_git_id(path: Path, stated: str | None, address: str) -> None:
    """Reject a file whose hash in git, which the hub states for small files, is another one.

    Raises:
        HubError: it is.
    """
    content = path.read_bytes()
    found = hashlib.sha1(b'blob %d\0' % len(content) + content, usedforsecurity=False).hexdigest()
    if stated is not None and _COMMIT.fullmatch(stated) and stated != found:
        raise HubError(f'{address}: {path.name} is not the file that the hub states: its git hash is {found}, expected '
                       f'{stated}. Delete {path.resolve()} to download it again.')


def _is_unreachable(error: Exception) -> bool:
    """Return whether a request failed without an answer that concerns the model."""
    status = getattr(getattr(error, 'response', None), 'status_code', None)
    return not isinstance(error, ValueError) if status is None else status >= 500


def _explain(errors: Any, error: Exception, address: str) -> str:
    endpoint = require('huggingface_hub.constants', 'hub', address).ENDPOINT
    repo, revision = parse_address(address)
    status = getattr(getattr(error, 'response', None), 'status_code', None)
    if isinstance(error, errors.GatedRepoError):
        return f'its owner grants access on request: ask for it on {endpoint}/{repo}, then {LOG_IN}.'
    if isinstance(error, errors.RepositoryNotFoundError):
        return f'{endpoint} has no such model, or it is private. Check the name, or {LOG_IN}.'
    if isinstance(error, errors.RevisionNotFoundError):
        return f'it has no revision {revision!r}; {endpoint}/{repo}/commits/main lists its commits.'
    if isinstance(error, errors.OfflineModeIsEnabled):
        return 'it is not in the cache, and HF_HUB_OFFLINE is set; load it once without, or name a local folder.'
    if status in (401, 403):
        return f'{endpoint} refuses access ({status}): {LOG_IN} with a token that has the permission.'
    if status is not None:
        return f'{endpoint} answered {status} ({first_line(error, 100)}); try again later.'
    if isinstance(error, errors.HTTPError) or isinstance(error, ConnectionError):
        return (f'{endpoint} cannot be reached ({first_line(error, 100) or type(error).__name__}), and it is not in '
                'the cache. Check the network, HF_ENDPOINT and, behind a proxy, https_proxy.')
    return f'could not be downloaded ({first_line(error, 200)}). Run the command again.'

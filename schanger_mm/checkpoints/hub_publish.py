"""Publish a model on the Hugging Face hub: write its folder, which a person can look at, and upload it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from schanger_mm.checkpoints import CheckpointError, read_checkpoint, write_safetensors
from schanger_mm.checkpoints.hub import CARD, CONFIG, LOG_IN, SCHEME, WEIGHTS, HubError, hub_errors, parse_address
from schanger_mm.checkpoints.hub_card import model_card
from schanger_mm.checkpoints.publish import describe, inner_card, scores_of_test
from schanger_mm.checkpoints.reading import PUBLISHED
from schanger_mm.checkpoints.values import as_json_values, config_values
from schanger_mm.utils.errors import ExistsError, SettingError
from schanger_mm.utils.files import as_json, move_into_place, sha256_of
from schanger_mm.utils.locking import is_vacant
from schanger_mm.utils.optional import require
from schanger_mm.utils.text import first_of

FILES = (WEIGHTS, CONFIG, CARD)


def publish_model(source: str | Path, repo: str, folder: str | Path | None = None, report: str | Path | None = None,
                  license: str | None = None, private: bool = False, dry_run: bool = False,
                  overwrite: bool = False) -> str:
    """Publish a checkpoint, or a folder that an earlier call wrote, on the hub.

    Args:
        source: checkpoint of a training; or a folder, which is uploaded as it is.
        repo: ``org/name``.
        folder: where to write the files of a checkpoint; None: a temporary folder.
        report, license: as of :func:`write_model`.
        private, overwrite: as of :func:`upload_model`.
        dry_run: write the folder and upload nothing.

    Returns:
        A summary of what was written and uploaded.

    Raises:
        CheckpointError, ExistsError, HubError, SettingError: see the two functions.
    """
    require('huggingface_hub', 'hub', '--hub')
    ready = Path(source).is_dir()
    if ready and (folder or report or license):
        raise SettingError(f'{source} is a folder that is uploaded as it is: omit DIR/NAME, --report and --license, '
                           f'and edit its {CARD}.')
    if ready:
        return (check_folder(Path(source)) + '\nnothing was uploaded.' if dry_run else
                upload_model(source, repo, private, overwrite))
    if folder is None and dry_run:
        raise SettingError('--dry-run: name the folder to write: publish CHECKPOINT FOLDER --hub ORG/NAME --dry-run.')
    with tempfile.TemporaryDirectory(prefix='schanger_publish_') as temporary:
        target = Path(folder or Path(temporary, 'model'))
        said = write_model(source, target, repo, report, license)
        if dry_run:
            return f'{said}\nnothing was uploaded. To upload this folder: publish {target} --hub {repo}'
        done = upload_model(target, repo, private, overwrite)
    return f'{said}\n{done}' if folder else done


def write_model(checkpoint: str | Path, folder: str | Path, repo: str, report: str | Path | None = None,
                license: str | None = None) -> str:
    """Write ``model.safetensors``, ``config.json`` and the model card ``README.md`` of a checkpoint.

    Args:
        checkpoint: checkpoint of a training, or weights with their config.
        folder: new or empty folder.
        repo: ``org/name``, for the card.
        report: ``report.json`` of a test of this checkpoint, for the scores.
        license: identifier of the licence of the weights; None: not stated.

    Returns:
        The files that were written.

    Raises:
        CheckpointError: the checkpoint cannot be read or holds no config, or the report belongs to another one.
        ExistsError: the folder holds files.
    """
    parse_address(SCHEME + repo)
    folder = Path(folder)
    if not is_vacant(folder):
        raise ExistsError(f'{folder} exists already; nothing was written. Name a new folder, or delete it.')
    read = read_checkpoint(checkpoint)
    inner = inner_card(read)
    if inner['cfg'] is None:
        read.config()  # says why, if it has one that cannot be read
        raise CheckpointError(f'{checkpoint}: it holds no config, so nobody could load it by name; publish a '
                              'checkpoint of a training (best_*.pth, iter_*.pth).')
    try:
        config = as_json_values(config_values(inner['cfg']))
    except SettingError as error:
        raise CheckpointError(f'{checkpoint}: {CONFIG} cannot hold its config ({error}).') from error
    card = describe(read)
    if report is not None:
        card['metrics'] = scores_of_test(Path(report), read.sha256)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{folder.name}.', dir=folder.parent) as temporary:
        partial = Path(temporary, 'model')
        partial.mkdir()
        write_safetensors(partial / WEIGHTS, read.weights, {PUBLISHED: json.dumps(inner)})
        (partial / CONFIG).write_bytes(as_json(config))
        text = model_card(repo, card, config, sha256_of(partial / WEIGHTS), license)
        (partial / CARD).write_text(text, encoding='utf-8')
        if folder.exists():
            folder.rmdir()  # is_vacant: at most a lock is in it, and then this fails
        move_into_place(partial, folder)
    stated = f'licence {license}' if license else 'no licence stated (--license)'
    return f'{check_folder(folder)}, {stated}'


def check_folder(folder: Path) -> str:
    """Check a folder before it is uploaded.

    Returns:
        Its files, and the SHA-256 of the weights.

    Raises:
        HubError: files are missing, or there are others.
        CheckpointError: they cannot be read, or weights and config do not belong together.
    """
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith('.'))
    if missing := [name for name in FILES if name not in found]:
        raise HubError(f'{folder}: expected {", ".join(FILES)}, and {first_of(missing)} is missing; publish CHECKPOINT '
                       f'{folder} --hub ORG/NAME --dry-run writes them.')
    if others := [name for name in found if name not in FILES]:
        raise HubError(f'{folder}: expected {", ".join(FILES)} only, found {first_of(others)} too; move it elsewhere, '
                       "and upload it on the hub's page if it belongs there.")
    read = read_checkpoint(folder)
    return f'{folder}: {", ".join(FILES)}\n{WEIGHTS}: {len(read.weights)} tensors, sha256 {read.sha256}'


def upload_model(folder: str | Path, repo: str, private: bool = False, overwrite: bool = False) -> str:
    """Upload a folder that :func:`write_model` wrote, in one commit; the repository is created if there is none.

    The token is the one of ``hf auth login``, or ``HF_TOKEN``.

    Args:
        folder: the folder.
        repo: ``org/name``.
        private: create a private repository; one that exists must be private.
        overwrite: replace the files of an earlier upload; its commit keeps them.

    Returns:
        The address with the commit, and the page of the model.

    Raises:
        HubError: no token or permission, no connection, a repository that is not private, or other files in ``folder``.
        ExistsError: the repository holds a model already.
    """
    address = SCHEME + repo
    parse_address(address)
    said = check_folder(Path(folder))
    hub = require('huggingface_hub', 'hub', address)
    if hub.get_token() is None:
        raise HubError(f'{address}: uploading needs a token: {LOG_IN} with one that may write.')
    with hub_errors(address):
        api = hub.HfApi()
        _prepare(hub, api, repo, private, overwrite)
        done = api.upload_folder(repo_id=repo, folder_path=str(folder), allow_patterns=list(FILES),
                                 commit_message='Upload weights, config and model card')
    return f'{said}\n{address}@{done.oid}: uploaded\n{api.endpoint}/{repo}'


def _prepare(hub: ModuleType, api: Any, repo: str, private: bool, overwrite: bool) -> None:
    """Create the repository, or check that an existing one may be written."""
    try:
        info = api.model_info(repo)
    except hub.errors.GatedRepoError:
        raise
    except hub.errors.RepositoryNotFoundError:
        api.create_repo(repo, private=private)
        return
    if private and not info.private:
        raise HubError(f'{SCHEME}{repo} exists and is public; make it private on {api.endpoint}/{repo}/settings, or '
                       'omit --private.')
    names = {file.rfilename for file in info.siblings or ()}
    there = [name for name in FILES if name in names]
    if there and not overwrite:
        raise ExistsError(f'{SCHEME}{repo} holds {first_of(there)} already; nothing was uploaded. Pass --overwrite to '
                          'replace them in a new commit, or choose another name.')

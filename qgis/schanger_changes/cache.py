# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders of temporary results: the same inputs and settings lead to the same folder, so a second run resumes."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

CHUNK = 1 << 20
KEY_LENGTH = 16
NAME_LENGTH = 40


def stamp(path: str) -> list:
    """Return what identifies a file without reading it: absolute path, size, time of the last change in ns.

    Text that names no file, such as a connection to a database, stands for itself.
    """
    if not os.path.exists(path):
        return [path]
    state = os.stat(path)
    return [os.path.abspath(path), state.st_size, state.st_mtime_ns]


def model_stamp(model: str) -> list:
    """Return what identifies a network: the SHA-256 of a file, or the name of a published network."""
    if not os.path.isfile(model):
        return [model]
    digest = hashlib.sha256()
    with open(model, 'rb') as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return [os.path.basename(model), digest.hexdigest()]


def cache_folder(root: str | Path, name: str, inputs: dict) -> Path:
    """Return the folder for ``inputs`` below ``root``, and make it.

    Args:
        root: folder of all temporary results.
        name: begins the folder's name, for people; the rest is a hash.
        inputs: everything that the result depends on; kept in the folder as ``inputs.json``.

    Raises:
        OSError: the folder cannot be written.
    """
    text = json.dumps(inputs, sort_keys=True, ensure_ascii=False, indent=1)
    key = hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:KEY_LENGTH]
    folder = Path(root, f'{plain(name)}-{key}')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'inputs.json').write_bytes(text.encode('utf-8', 'surrogateescape'))
    return folder


def plain(name: str) -> str:
    """Return letters, digits, dots and dashes of a name, at most 40 of them; `scene` if there are none."""
    return re.sub(r'[^\w.-]+', '_', name).strip('._-')[:NAME_LENGTH].strip('._-') or 'scene'

"""Return whether a file is made as ``torch.save`` makes it, before anything in it is read."""

from __future__ import annotations

import re
import tarfile
import zipfile
from typing import BinaryIO

from schanger_mm.checkpoints.errors import CheckpointError

ZIP = b'PK\x03\x04'
LEGACY = b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'  # magic number of files of torch 1.5 and before, pickled
LEGACY_PICKLES = 5  # in such a file: number, version, system, content, storages
_MEMBER = re.compile(r'[^/]+/(data\.pkl|version|byteorder|\.\w+(/\w+)?|data/\w+)')


def check_container(stream: BinaryIO) -> None:
    """Reject files that ``torch.save`` does not write.

    Members of a zip must be stored uncompressed within the file, so none of
    them can declare more memory than the file has.

    Args:
        stream: the file, at its start; it is rewound afterwards.

    Raises:
        CheckpointError: the file is not a checkpoint, or is damaged.
    """
    start = stream.read(len(LEGACY))
    stream.seek(0)
    if start.startswith(ZIP):
        _check_zip(stream)
    elif start != LEGACY:
        raise CheckpointError('it is not a file of torch.save')
    elif tarfile.is_tarfile(stream):
        raise CheckpointError('it is a tar archive')
    stream.seek(0)


def is_pickle_of(member: str) -> bool:
    """Return whether a member of a zip is the pickle that torch would load."""
    return member.count('/') == 1 and member.endswith('/data.pkl')


def _check_zip(stream: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except Exception as error:  # zipfile raises many types of errors for a damaged directory
        raise CheckpointError(f'it is damaged, or cut off ({error})') from error
    names = [member.filename for member in members]
    if any(name.rpartition('/')[2] == 'constants.pkl' for name in names):
        raise CheckpointError('it is a TorchScript program, not weights')
    if strange := [name for name in names if not _MEMBER.fullmatch(name)]:
        raise CheckpointError(f'it has the member {strange[0][:60]!r}, which torch.save does not write')
    if sum(map(is_pickle_of, names)) != 1 or len(set(names)) < len(names):
        raise CheckpointError('it has no data.pkl, or several members of the same name')
    packed = [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED or m.compress_size != m.file_size]
    if packed:
        raise CheckpointError(f'its member {packed[0][:60]!r} is compressed, which torch.save does not do')
    claims, has = sum(member.file_size for member in members), stream.seek(0, 2)
    if claims > has:
        raise CheckpointError(f'its members claim {claims:,} bytes, but the file has {has:,}')

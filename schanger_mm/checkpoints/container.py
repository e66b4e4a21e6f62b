"""Whether a file is made as ``torch.save`` makes it, before anything in it is read."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path

from schanger_mm.checkpoints.errors import CheckpointError

ZIP = b'PK\x03\x04'
LEGACY = b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'  # torch's number for files of torch 1.5 and before, pickled
_MEMBER = re.compile(r'[^/]+/(data\.pkl|version|byteorder|\.\w+(/\w+)?|data/\w+)')


def check_container(path: Path) -> None:
    """Refuse what ``torch.save`` does not write.

    Members of a zip must be stored as they are and lie in the file, so none of
    them can claim more memory than the file has.

    Raises:
        CheckpointError: the file is no checkpoint, or a damaged one.
    """
    with path.open('rb') as stream:
        start = stream.read(len(LEGACY))
    if start.startswith(ZIP):
        _check_zip(path)
    elif start != LEGACY:
        raise CheckpointError('it is not a file of torch.save')
    elif tarfile.is_tarfile(path):  # torch before 2.6 would unpack it
        raise CheckpointError('it is a tar archive')


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as error:  # zipfile raises a dozen kinds of a damaged directory
        raise CheckpointError(f'it is damaged, or cut off ({error})') from error
    names = [member.filename for member in members]
    if any(name.rpartition('/')[2] == 'constants.pkl' for name in names):
        raise CheckpointError('it is a TorchScript program, not weights')
    if strange := [name for name in names if not _MEMBER.fullmatch(name)]:
        raise CheckpointError(f'it has the member {strange[0][:60]!r}, which torch.save does not write')
    if sum(name.count('/') == 1 and name.endswith('/data.pkl') for name in names) != 1 or len(set(names)) < len(names):
        raise CheckpointError('it has no data.pkl, or members of one name')
    packed = [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED or m.compress_size != m.file_size]
    if packed:
        raise CheckpointError(f'its member {packed[0][:60]!r} is compressed, which torch.save does not do')
    claims, has = sum(member.file_size for member in members), path.stat().st_size
    if claims > has:
        raise CheckpointError(f'its members claim {claims:,} bytes and the file has {has:,}')

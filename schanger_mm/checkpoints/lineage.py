"""What the weights of a checkpoint were trained on: its own training, and those of the checkpoints it started from."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields

from schanger_mm.checkpoints.errors import CheckpointError

LINEAGE = 'lineage'
"""Key in ``meta`` of a checkpoint: a list of :class:`TrainedOn` as dicts."""
DIGEST_BYTES = 8


@dataclass(frozen=True)
class TrainedOn:
    """A data set that a training has used.

    Args:
        training: name of the training.
        model: class of the network that was trained, such as ``'SaDL'``.
        labels: whether its labels were used.
        data_set: class of the data set.
        data_root: its folder; empty in a published file.
        split: name of the split or list within it, if any.
        list_sha256: SHA-256 of its list file, if any.
        images: number of samples.
        digests: content digests of the image files
            (:func:`~schanger_mm.utils.digests.content_digest`), as :func:`pack` writes them; empty where the
            files were not local, or the data set does not list them.
    """

    training: str
    model: str
    labels: bool
    data_set: str
    data_root: str
    split: str
    list_sha256: str
    images: int
    digests: str

    def known(self) -> set[int]:
        """Return the digests."""
        content = base64.b64decode(self.digests, validate=True)
        return {int.from_bytes(content[start:start + DIGEST_BYTES], 'little')
                for start in range(0, len(content), DIGEST_BYTES)}

    def describe(self) -> str:
        """Return a few words for a message."""
        place = ', '.join(filter(None, (self.data_set, self.split and f'split {self.split}', self.data_root)))
        how = 'with' if self.labels else 'without'
        return f'{how} labels by {self.model} in the training {self.training} ({place})'


def pack(digests: Iterable[int]) -> str:
    """Write digests as text."""
    content = b''.join(digest.to_bytes(DIGEST_BYTES, 'little') for digest in sorted(set(digests)))
    return base64.b64encode(content).decode()


def read_lineage(content: Mapping, path: object = 'the checkpoint') -> list[TrainedOn]:
    """Read the lineage of a checkpoint; empty for one that has none, as those of earlier versions.

    Args:
        content: what the checkpoint holds.
        path: its name for messages.

    Raises:
        CheckpointError: there is one, but not of this form.
    """
    meta = content.get('meta')
    found = meta.get(LINEAGE) if isinstance(meta, Mapping) else None
    if found is None:
        return []
    kinds = {field.name: {'str': str, 'bool': bool, 'int': int}[str(field.type)] for field in fields(TrainedOn)}
    try:
        entries = [TrainedOn(**entry) for entry in found]
        for entry in entries:
            if any(type(getattr(entry, name)) is not kind for name, kind in kinds.items()):
                raise TypeError('a value of another type')
            entry.known()
    except (TypeError, binascii.Error) as error:
        raise CheckpointError(f'{path}: its {LINEAGE} (what it was trained on) is damaged: {error}. Remove '
                              f"meta['{LINEAGE}'] from the file if you trust it otherwise.") from error
    return entries


def write_lineage(entries: Iterable[TrainedOn]) -> list[dict]:
    """Return plain values for ``meta``; what occurs twice is written once."""
    return [asdict(entry) for entry in dict.fromkeys(entries)]


def lineage_meta(content: Mapping, path: object) -> dict:
    """Return the ``meta`` of a file with weights of a checkpoint: its lineage; empty if it has none.

    Args, raises: see :func:`read_lineage`.
    """
    entries = read_lineage(content, path)
    return {LINEAGE: write_lineage(entries)} if entries else {}


def without_folders(entries: Iterable[TrainedOn]) -> list[TrainedOn]:
    """Return entries for a file that is given away: no paths."""
    return [TrainedOn(**{**asdict(entry), 'data_root': ''}) for entry in entries]

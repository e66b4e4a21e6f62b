"""List the images with enough foreground for training."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from schanger_mm.datasets.reading import read_label
from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.files import refuse_existing, write_atomic
from schanger_mm.utils.names import list_stems, natural_key

from .parallel import run_parallel
from .sample_check import check_label_options


def write_foreground_list(masks: str | Path, out: str | Path, least: float, threshold: int | None = None,
                          workers: int | None = None, overwrite: bool = False, ignore: int | None = None,
                          suffix: str | None = None) -> str:
    """Write the stems of the masks with at least a given share of foreground, one per line, in natural order.

    SaDL pre-trains on the Inria tiles with at least 10 % building.

    Args:
        masks: folder of masks, 0/1 or 0/255.
        out: list file to write.
        least: share of foreground pixels, 0 to 1.
        threshold: for lossy masks, as ``label_threshold`` of the data sets.
        workers: processes, as in :func:`run_parallel`.
        overwrite: replace a list that exists.
        ignore: mask value of nodata, which is no foreground, as
            ``label_ignore`` of the data sets.
        suffix: ending of the masks' files, such as ``_target.png``, which is
            no part of a name; None takes any image.

    Returns:
        A summary of what was written.

    Raises:
        ValueError: ``least`` is not a share, or label options that make no
            sense.
        FileExistsError: the list is there.
        DatasetError: no mask, an unreadable one, or none with enough.
    """
    if not 0 <= least <= 1:
        raise SettingError(f'--least: expected a share from 0 to 1, found {least}')
    check_label_options(threshold, ignore)
    if not overwrite:
        refuse_existing(out)
    files = list_stems(str(masks), suffix)
    stems = sorted(files, key=natural_key)
    shares = run_parallel(partial(foreground_share, threshold=threshold, ignore=ignore),
                          [files[stem] for stem in stems], workers, 'masks')
    chosen = [stem for stem, share in zip(stems, shares, strict=True) if share >= least]
    if not chosen:
        raise DatasetError(f'{masks}: none of {len(stems)} masks has {least:.0%} foreground or more; '
                           'nothing was written.')
    write_atomic(Path(out), '\n'.join([*chosen, '']).encode())
    return f'{out}: {len(chosen)} of {len(stems)} names, those with {least:.0%} foreground or more'


def foreground_share(path: str, threshold: int | None = None, ignore: int | None = None) -> float:
    """Share of all of a mask's pixels that are foreground, 0 to 1."""
    return float((read_label(path, threshold, ignore=ignore) == 1).mean())

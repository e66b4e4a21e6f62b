"""Pairs of images as a user gives them: files, folders, file addresses, arrays, or lists of these."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from schanger_mm.datasets.reading import COLOUR, GREY, read_header, read_image, wrong_form
from schanger_mm.datasets.transforms import LoadImage
from schanger_mm.utils.band_order import COLOUR_BANDS, turned
from schanger_mm.utils.errors import UserError
from schanger_mm.utils.names import list_stems, natural_key, strip_suffix
from schanger_mm.utils.text import first_of

Image = str | Path | np.ndarray
Images = Image | Sequence[Image]


class InputError(UserError, ValueError):
    """Images that do not form pairs."""


@dataclass(frozen=True)
class ImagePair:
    """Two images of one size.

    Args:
        name: name of the outputs, without suffix; may have folders (``city/tile_1``).
        before, after: a path, or an array ``(H, W, C)`` uint8, in B, G, R order if C is 3.
        size: height and width, px.
    """

    name: str
    before: str | np.ndarray
    after: str | np.ndarray
    size: tuple[int, int]

    @property
    def paths(self) -> list[str]:
        """Return the paths of both dates; for arrays, the name of the pair instead."""
        return [date if isinstance(date, str) else self.name for date in (self.before, self.after)]

    def read(self, allow_grey: bool = False, load: LoadImage | None = None) -> list[np.ndarray]:
        """Return both dates, ``(H, W, C)`` in B, G, R order if C is 3: uint8, or float32 in 0..255 of scaled values.

        Args:
            allow_grey: accept 8-bit grey files.
            load: reads files that are rasters; None: they are 8-bit colour images.

        Raises:
            DatasetError: a file is damaged.
        """
        def read(path: str) -> np.ndarray:
            return read_image(path, allow_grey) if load is None else load.read(path)
        return [read(date) if isinstance(date, str) else date for date in (self.before, self.after)]


def list_pairs(before: Images, after: Images, names: Sequence[str] | None = None, channel_order: str = 'rgb',
               allow_grey: bool = False, bands: int = COLOUR_BANDS, load: LoadImage | None = None) -> list[ImagePair]:
    """List the pairs, with all checks that need no decoding.

    Args:
        before, after: an image or a list of images; or two folders, whose
            files pair by stem. Files are 8-bit colour PNG, JPEG, TIFF or BMP;
            ``file://`` addresses are paths, too.
        names: names of the pairs, instead of the stems of ``before``.
        channel_order: channel order of arrays of three bands: ``'rgb'``, or ``'bgr'`` as ``cv2.imread`` returns them;
            other numbers of bands have the order of the training.
        allow_grey: accept 8-bit grey files.
        bands: of arrays.
        load: reads files that are rasters (of several files for an image, the first is named); None: they are 8-bit
            colour images.

    Raises:
        InputError: different numbers, sizes or types of inputs, names that clash, or other arrays.
        DatasetError: a file is missing or not such an image.
    """
    if channel_order not in ('rgb', 'bgr'):
        raise InputError(f"channel_order={channel_order!r}: expected 'rgb' or 'bgr'.")
    dates, stems = _dates(before, after)
    if names is not None:
        stems = list(names)
        if len(stems) != len(dates):
            raise InputError(f'{len(stems)} names for {len(dates)} pairs; expected one each.')
    _check_names(stems)
    pairs = []
    for name, images in zip(stems, dates, strict=True):
        checked = [_check(image, f'{when} of {name}', channel_order, allow_grey, bands, load)
                   for when, image in zip(('before', 'after'), images, strict=True)]
        (first, size), (second, other) = checked
        pair = ImagePair(name, first, second, size)
        if size != other:
            one, two = pair.paths
            raise InputError(f'{name}: expected two images of one size, found {size[1]} x {size[0]} px ({one}) and '
                             f'{other[1]} x {other[0]} px ({two}). Register and crop them to the same ground first.')
        pairs.append(pair)
    return pairs


def _dates(before: Images, after: Images) -> tuple[list[tuple], list[str]]:
    """Pair the images and name them."""
    one, two = (as_path(images) if isinstance(images, (str, Path)) else images for images in (before, after))
    folders = [isinstance(date, str) and os.path.isdir(date) for date in (one, two)]
    if all(folders):
        return _folders(str(one), str(two))
    if any(folders):
        raise InputError(f'{one if folders[0] else two} is a folder; expected two folders, or none.')
    several = [isinstance(date, (list, tuple)) for date in (one, two)]
    if several[0] != several[1]:
        raise InputError('one of before and after is a list and the other is not; expected two lists, or none.')
    firsts, seconds = (list(date) if isinstance(date, (list, tuple)) else [date] for date in (one, two))
    if len(firsts) != len(seconds) or not firsts:
        raise InputError(f'expected as many images before as after, one or more, found {len(firsts)} and '
                         f'{len(seconds)}.')
    dates = [tuple(as_path(image) if isinstance(image, (str, Path)) else image for image in pair)
             for pair in zip(firsts, seconds, strict=True)]
    return dates, list(_stems(dates))


def _folders(before: str, after: str) -> tuple[list[tuple], list[str]]:
    one, two = list_stems(before), list_stems(after)
    for here, there, folder in ((one, two, after), (two, one, before)):
        if alone := sorted(here.keys() - there.keys(), key=natural_key):
            raise InputError(f'{folder}: {len(alone)} images of the other date have no partner there: '
                             f'{first_of(alone)}.')
    stems = sorted(one, key=natural_key)
    return [(one[stem], two[stem]) for stem in stems], stems


def _stems(dates: list[tuple]) -> Iterator[str]:
    for index, (before, _) in enumerate(dates):
        if isinstance(before, str):
            file = os.path.basename(before)
            yield strip_suffix(file, None) or file
        else:
            yield f'{index:08}'


def _check_names(names: list[str]) -> None:
    for name in names:
        parts = PurePosixPath(str(name)).parts
        if not parts or '..' in parts or PurePosixPath(name).is_absolute() or '\\' in name:
            raise InputError(f'{name!r} is not a name of a pair; expected one such as tile_1 or city/tile_1.')
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:  # many file systems do not tell cases apart
            raise InputError(f'two pairs are called {name}, and what is written of one would replace the other; pass '
                             'names=[...], one for each pair.')
        seen[name.casefold()] = name


def _check(image: object, what: str, channel_order: str, allow_grey: bool, bands: int, load: LoadImage | None) -> tuple:
    """Return a path or an array as in memory, and the size."""
    if isinstance(image, str) and load is not None and load.reading is not None:
        return image, load.reading.header(image)[0]
    if isinstance(image, str):
        size, form = read_header(image)
        if form != COLOUR and not (allow_grey and form == GREY):
            raise InputError(f'{image}: {wrong_form(form)}')
        return image, size
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != bands or image.dtype != np.uint8 \
            or not image.size:
        found = f'an array {image.shape} {image.dtype}' if isinstance(image, np.ndarray) else type(image).__name__
        order = f' in {channel_order.upper()} order' if bands == COLOUR_BANDS else ''
        raise InputError(f'{what}: expected a path or a (H, W, {bands}) uint8 array{order}, found {found}.')
    return (turned(image, -1) if channel_order == 'rgb' else image), image.shape[:2]


def as_path(address: str | Path) -> str:
    """Return a path unchanged, or the path in a ``file://`` address.

    Raises:
        InputError: an address of another machine.
    """
    text = str(address)
    if '://' not in text:
        return text
    parts = urlsplit(text)
    if parts.scheme.lower() != 'file' or parts.netloc not in ('', 'localhost'):
        raise InputError(f'{text}: expected a path or a file:// address of this machine; download it first.')
    return url2pathname(parts.path)

"""Read images and masks from files, or say exactly what is wrong with the file.

Pillow decodes, because OpenCV converts 16-bit and 4-band files without a word
and can hand over the readable half of a damaged one. Pixels come as stored:
an EXIF orientation is not applied, since masks have none.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import cv2
import mmengine.fileio as fileio
import numpy as np
from PIL import Image, TiffImagePlugin

from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.images import FORMATS, open_image

COLOUR, GREY = '8-bit 3-band', '8-bit grey'
IGNORED = 255
"""What a pixel that does not count becomes in a label; the losses and metrics leave it out."""
DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error)
"""What Pillow raises of a damaged file."""
_NAMED_MODES = {'1': '1-bit', 'P': '8-bit palette', 'PA': '8-bit palette with alpha', 'F': '32-bit float',
                'CMYK': '8-bit CMYK'}
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL = 258, 277  # TIFF tags


def read_header(path: str, backend_args: dict | None = None) -> tuple[tuple[int, int], str]:
    """Return size ``(h, w)`` and form ('8-bit 3-band', '16-bit grey', ...) of an image, without decoding it.

    Raises:
        DatasetError: the file is missing, its header cannot be read, or it claims too many pixels.
    """
    try:
        with fileio.get_local_path(path, backend_args=backend_args) as local, open_image(local, path) as image:
            return (image.height, image.width), _form(image)
    except DatasetError:
        raise
    except DECODE_ERRORS as error:
        raise _unreadable(path, error) from error


def read_image(path: str, allow_grey: bool = False, backend_args: dict | None = None) -> np.ndarray:
    """Read an 8-bit colour image.

    Args:
        path (str): PNG, JPEG, TIFF or BMP file.
        allow_grey (bool): repeat an 8-bit grey image to three channels
            instead of refusing it.
        backend_args (dict, optional): as in ``mmengine.fileio.get``.

    Returns:
        np.ndarray: (H, W, 3) uint8, channels B, G, R as everywhere in mmcv.

    Raises:
        DatasetError: the file is missing, truncated or corrupt, claims too
            many pixels, or is not 8-bit with three bands.
    """
    array, form, _, _ = read_pixels(path, backend_args)
    _check_bands(path, array, form)
    if form == COLOUR:
        return cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
    if form == GREY and allow_grey:
        return cv2.cvtColor(array, cv2.COLOR_GRAY2BGR)
    raise DatasetError(f'{path}: {wrong_form(form)}')


def wrong_form(form: str) -> str:
    """Say that an image of this form is not taken, and what to do."""
    fix = ('set `allow_grey=True` in its loading transform' if form == GREY
           else 'convert it first (choose three bands, scale them to 0..255)')
    return f'expected an {COLOUR} image, found {form}; {fix}.'


def read_label(path: str, threshold: int | None = None, backend_args: dict | None = None,
               ignore: int | None = None) -> np.ndarray:
    """Read a binary mask.

    A mask is 0/1 or 0/255 (either value may be absent), grey, 1-bit, or RGB
    with equal channels. :func:`palette_values` says how a palette image (of a
    TIFF: a colour table) is read.

    Args:
        path (str): PNG, JPEG, TIFF or BMP file.
        threshold (int, optional): take ``value >= threshold`` as 1, which
            lossy (JPEG) masks need; without it other values are an error.
        backend_args (dict, optional): as in ``mmengine.fileio.get``.
        ignore (int, optional): mask value of pixels that do not count, such
            as nodata; they become 255.

    Returns:
        np.ndarray: (H, W) uint8 of 0 and 1, and 255 where ``ignore`` stands.

    Raises:
        DatasetError: unreadable file, a coloured mask, other values, a palette
            whose colours and indices disagree, or a threshold that a lossless
            mask of 0 and 1 never reaches.
    """
    array, form, lossy, palette = read_pixels(path, backend_args)
    _check_bands(path, array, form)
    if palette is not None:
        try:
            array, _ = palette_values(array, palette, ignore)
        except ValueError as error:
            raise DatasetError(f'{path}: {error}') from error
    if array.ndim == 3:
        array = _one_channel(path, array, form)
    if ignore is not None:
        skipped = array == ignore
        label = _binary(path, np.where(skipped, 0, array), threshold, lossy)
        label[skipped] = IGNORED
        return label
    return _binary(path, array, threshold, lossy)


def palette_values(indices: np.ndarray, palette: Sequence[int],
                   ignore: int | None = None) -> tuple[np.ndarray, str]:
    """Return the values of a mask that is stored as indices into a palette, and what they were read by.

    Grey colours are the values. Of other colours black means unchanged: where
    it is index 0, and no other index is black, the indices are the values. Of
    black and one colour under other indices, the colour is changed (255).

    Args:
        indices: (H, W) uint8.
        palette: R, G, B of index 0, of index 1 and so on.
        ignore: a value that does not count; with one, a coloured palette has to agree with its indices.

    Returns:
        (H, W) uint8, and 'colours' or 'indices'.

    Raises:
        ValueError: colours and indices disagree about which pixels are unchanged.
    """
    table = np.zeros((256, 3), np.uint8)
    table.reshape(-1)[:len(palette)] = palette[:table.size]
    used = np.unique(indices)
    colours = table[used]
    black = (colours == 0).all(axis=1)
    if (colours == colours[:, :1]).all():
        return table[:, 0][indices], 'colours'
    if (black == (used == 0)).all():
        return indices, 'indices'
    if ignore is None and len(used) == 2 and black.any():
        return np.where(indices == used[black], np.uint8(0), np.uint8(255)), 'colours'
    shown = ', '.join(f'index {index} is {tuple(table[index].tolist())}' for index in used[:4])
    raise SettingError(
        f'a palette mask whose colours and indices disagree: {shown}{", ..." if len(used) > 4 else ""} (R, G, B), and '
        'unchanged should be black and index 0. Save it as a grey PNG of 0 (unchanged) and 255 (changed).')


def _check_bands(path: str, array: np.ndarray, form: str) -> None:
    """Refuse a TIFF of several bands of which Pillow decodes one: compressed, one band after the other, no colours."""
    if form.startswith('8-bit') and form.endswith('-band') and array.ndim == 2:
        raise DatasetError(f'{path}: its bands are stored one after the other and not marked as colours, which '
                           'Pillow cannot decode; convert it (gdal_translate -co INTERLEAVE=PIXEL -co PHOTOMETRIC=RGB '
                           "IN OUT), or set `bands='all'` in its loading transform.")


def _binary(path: str, array: np.ndarray, threshold: int | None, lossy: bool) -> np.ndarray:
    top = array.max()
    if threshold is not None:
        if not lossy and top == 1 < threshold and array.min() == 0:  # JPEG: an empty mask may decode to ones
            raise DatasetError(f'{path}: a mask of 0 and 1, of which label_threshold={threshold} would leave nothing; '
                               'set `label_threshold=None` in the dataset of the config.')
        return (array >= threshold).astype(np.uint8)
    if top not in (0, 1, 255) or not ((array == 0) | (array == top)).all():
        values = np.unique(array)
        shown = ', '.join(str(value) for value in values[:8]) + (', ...' if len(values) > 8 else '')
        raise DatasetError(
            f'{path}: expected a mask of 0 and 1, or of 0 and 255, found {len(values)} values: {shown}. '
            'If it is a lossy (JPEG) or blurred mask, set `label_threshold=128` in the dataset of the '
            'config: pixels from 128 up then count as 1. If one value marks nodata (128 in the masks of '
            '`schanger from-rasters`), set `label_ignore` to it.')
    return (array != 0).astype(np.uint8)


def read_pixels(path: str, backend_args: dict | None = None) -> tuple[np.ndarray, str, bool, list[int] | None]:
    """Return the pixels, their form, whether the file is a JPEG (values are not exact), and the palette if any."""
    try:
        data = fileio.get(path, backend_args=backend_args)
        with open_image(io.BytesIO(data), path) as image:
            form = _form(image)
            array, lossy = decode_pixels(image, data), image.format == 'JPEG'
            palette = image.getpalette() if image.mode == 'P' else None
            if image.format == 'PNG' and data.rfind(b'IEND') < 0:  # from the end, where it stands
                raise OSError('image file is truncated: it has no end mark')
    except DatasetError:
        raise
    except DECODE_ERRORS as error:
        raise _unreadable(path, error) from error
    return array, form, lossy, palette


def decode_pixels(image: Image.Image, data: bytes) -> np.ndarray:
    """Return the pixels of an open image as Pillow has them; ``data`` is the content of its file."""
    if image.format == 'BMP' and image.mode == '1':  # Pillow takes 8 bits per pixel for 1 where the palette has 2 greys
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise OSError('the pixels cannot be decoded')
        return np.asarray(grey > 0)
    return np.asarray(image)


def _form(image: Image.Image) -> str:
    if image.mode in _NAMED_MODES:
        return _NAMED_MODES[image.mode]
    bits = 16 if ';16' in str(image.tile[:1]) else 32 if image.mode == 'I' else 8
    bands = len(image.getbands())
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # to Pillow, RGB plus a band without name is RGB
        bits = max(image.tag_v2.get(_BITS_PER_SAMPLE, (bits,)))
        bands = image.tag_v2.get(_SAMPLES_PER_PIXEL, bands)
    return f'{bits}-bit grey' if bands == 1 else f'{bits}-bit {bands}-band'


def _one_channel(path: str, array: np.ndarray, form: str) -> np.ndarray:
    grey = array[..., :1]
    colours, alpha = (array[..., :-1], array[..., -1]) if array.shape[2] in (2, 4) else (array, None)
    seen_through = alpha is not None and (alpha != 255).any()
    if form.startswith('16') or form == _NAMED_MODES['PA'] or (colours != grey).any() or seen_through:
        raise DatasetError(
            f'{path}: expected a grey mask, found a coloured or transparent {form} image; save it as a '
            'grey PNG of 0 and 255 (or 0 and 1).')
    return array[..., 0]


def _unreadable(path: str, error: Exception) -> DatasetError:
    if isinstance(error, FileNotFoundError):
        return DatasetError(f'{path}: no such file.')
    text = 'cannot identify it' if 'cannot identify' in str(error) else str(error)
    return DatasetError(
        f'{path}: truncated, corrupt or not a readable {"/".join(FORMATS)} image ({text}). Fetch the file '
        'again; an image of more than four bands or unusual depth must be converted first.')

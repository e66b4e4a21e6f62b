import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from schanger_mm.data_tools.pixels import read_pixels
from schanger_mm.datasets import DatasetError
from schanger_mm.datasets.reading import read_header, read_image, read_label
from schanger_mm.utils.images import MOST_PIXELS, VARIABLE, open_image

KINDS = 'PNG', 'JPEG', 'TIFF', 'BMP'
READERS = read_header, read_image, read_label, read_pixels


WIDTH, LENGTH, ROWS_PER_STRIP = 256, 257, 278  # TIFF tags


def written(kind: str, **options) -> bytes:
    """A grey image of 16 x 16 px."""
    stream = io.BytesIO()
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(stream, kind, **options)
    return stream.getvalue()


def claiming(kind: str, side: int) -> bytes:
    """The same with a header that says ``side`` x ``side``."""
    data = bytearray(written(kind))
    if kind == 'PNG':
        data[16:24] = struct.pack('>II', side, side)
        data[29:33] = struct.pack('>I', zlib.crc32(data[12:29]))
    elif kind == 'JPEG':
        at = data.index(b'\xff\xc0') + 5
        data[at:at + 4] = struct.pack('>HH', side, side)
    elif kind == 'BMP':
        data[18:26] = struct.pack('<ii', side, side)
    else:
        return tags_set(data, {WIDTH: side, LENGTH: side, ROWS_PER_STRIP: side})
    return bytes(data)


def tags_set(data: bytes, values: dict[int, int]) -> bytes:
    """Change numbers in the first directory of a little-endian TIFF."""
    data = bytearray(data)
    at, = struct.unpack_from('<I', data, 4)
    count, = struct.unpack_from('<H', data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, = struct.unpack_from('<H', data, entry)
        if tag in values:
            struct.pack_into('<HII', data, entry + 2, 4, 1, values[tag])
    return bytes(data)


@pytest.mark.parametrize('reader', READERS)
@pytest.mark.parametrize('kind', KINDS)
def test_a_header_that_claims_too_much_is_refused_before_decoding(tmp_path, monkeypatch, kind, reader):
    path = tmp_path / f'bomb.{kind.lower()}'
    path.write_bytes(claiming(kind, 60_000))
    monkeypatch.setattr(ImageFile.ImageFile, 'load', lambda self: pytest.fail('it is decoded'))
    monkeypatch.setattr(Image.core, 'new', lambda *args: pytest.fail('memory is taken'))
    with pytest.raises(DatasetError, match=rf'bomb\.{kind.lower()}: its header claims 60000 x 60000 pixels, more than '
                       rf'the limit of {MOST_PIXELS}, .* set {VARIABLE}=3600000000 in the environment'):
        reader(str(path))


@pytest.mark.parametrize('kind', KINDS)
def test_the_environment_moves_the_limit(tmp_path, monkeypatch, kind):
    path = tmp_path / 'x.png'
    path.write_bytes(written(kind))
    monkeypatch.setenv(VARIABLE, '255')
    with pytest.raises(DatasetError, match='claims 16 x 16 pixels, more than the limit of 255'):
        read_label(str(path))
    monkeypatch.setenv(VARIABLE, ' 256 ')
    assert read_label(str(path)).all() and read_pixels(path).array.shape == (16, 16)


@pytest.mark.parametrize('text', ['0', '-1', '1e9', 'much', '9' * 19])
def test_a_limit_that_is_none_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    (tmp_path / 'x.png').write_bytes(written('PNG'))
    with pytest.raises(DatasetError, match=f'{VARIABLE} in the environment: expected a number of pixels above 0'):
        read_header(str(tmp_path / 'x.png'))


def test_pillows_limit_does_not_count_and_comes_back(tmp_path, monkeypatch, recwarn):
    path = tmp_path / 'x.tif'
    path.write_bytes(written('TIFF'))
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    inside, leave = threading.Barrier(2, timeout=60), threading.Event()

    def other():
        with open_image(str(path), 'x'):
            inside.wait()
            leave.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    assert read_pixels(path).array.shape == (16, 16)
    assert Image.MAX_IMAGE_PIXELS is None  # the other one is still open
    leave.set()
    thread.join(60)
    assert Image.MAX_IMAGE_PIXELS == 10 and not recwarn.list

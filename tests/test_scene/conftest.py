"""Shared by the tests of scenes."""

from importlib.util import find_spec

import cv2
import numpy as np
import pytest

UTM = 'EPSG:32633'
if find_spec('rasterio') is None:  # the extra [geo] is not installed
    collect_ignore_glob = ['test_*.py']


@pytest.fixture
def write_raster(tmp_path):
    """Return a function that writes an array (bands, h, w) as a raster and returns its path.

    The upper left corner lies at (500000, 5000000) with pixels of 0.5, moved by ``offset`` pixels.
    """
    import rasterio
    from rasterio.enums import ColorInterp
    from rasterio.transform import from_origin

    def write(name, array, crs=UTM, pixel=0.5, offset=(0, 0), transform=None, mask=None, alpha=False, **profile):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        suffix = path.suffix.lower()
        if suffix == '.tif':
            profile = dict(driver='GTiff', crs=crs, **profile)
            profile['transform'] = transform or from_origin(
                500_000 + offset[0] * pixel, 5_000_000 - offset[1] * pixel, pixel, pixel)
        else:
            profile['driver'] = {'.png': 'PNG', '.jpg': 'JPEG'}[suffix]
        count, height, width = array.shape
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(
                path, 'w', width=width, height=height, count=count, dtype=array.dtype, **profile) as file:
            file.write(array)
            if alpha:
                file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
            if mask is not None:
                file.write_mask(mask)
        return str(path)

    return write


@pytest.fixture
def noise():
    """Return a function that draws a smooth image (bands, h, w) of 1..254, uint8."""
    def draw(height=64, width=80, bands=3, seed=0):
        rng = np.random.default_rng(seed)
        image = cv2.GaussianBlur(rng.normal(size=(height, width, bands)), (0, 0), 1.5).reshape(height, width, bands)
        image = (image - image.min()) / (image.max() - image.min())
        return np.ascontiguousarray((1 + 253 * image).round().astype(np.uint8).transpose(2, 0, 1))

    return draw

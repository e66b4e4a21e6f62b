import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.raster import Raster
from schanger_mm.geo.vrt import check_vrt

RASTER = '<VRTDataset rasterXSize="80" rasterYSize="64">{}</VRTDataset>'


def band(number, source, more='', relative=1, kind=''):
    return (f'<VRTRasterBand dataType="Byte" band="{number}"{kind}><SimpleSource>'
            f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>{more}'
            f'<SourceBand>{number}</SourceBand></SimpleSource></VRTRasterBand>')


def bands(*settings, **more):
    return RASTER.format(''.join(band(number, *settings, **more) for number in (1, 2, 3)))


@pytest.fixture
def folder(tmp_path, write_raster, noise):
    """Return a folder with a raster and a VRT of it."""
    write_raster('a.tif', noise())
    (tmp_path / 'a.vrt').write_text(bands('a.tif'))
    return tmp_path


def test_vrts_of_rasters_and_of_vrts_are_read(folder):
    (folder / 'two.VRT').write_text(bands(str(folder / 'a.vrt'), relative=0))
    (folder / 'self.vrt').write_text(bands('self.vrt'))
    check_vrt(str(folder / 'self.vrt'))  # ends; opening says what is wrong
    raster = Raster(str(folder / 'two.VRT'))
    assert raster.grid.width == 80 and raster.read(0, 0, 8, 8)[1].all()
    raster.close()


def test_a_vrt_under_another_name_is_refused(folder):
    (folder / 'a.png').write_text('\n' * 900 + bands('a.tif'))
    (folder / 'b.vrt').write_text(bands('a.png'))
    for name in ('a.png', 'b.vrt'):
        with pytest.raises(SceneError, match=r'a\.png: holds a VRT, .*rename it to end in \.vrt'):
            Raster(str(folder / name))


SQL = '<OpenOptions><OOI key="PRELUDE_STATEMENTS">VACUUM INTO \'/tmp/x\'</OOI></OpenOptions>'
PYTHON = '<PixelFunctionLanguage>Python</PixelFunctionLanguage>'


@pytest.mark.parametrize('text, message', [
    (bands('a.tif', SQL), 'options for opening its sources, which can be SQL'),
    (bands('a.tif', SQL.replace('OpenO', 'oPENo')), 'options for opening its sources'),
    (bands('a.tif', PYTHON, kind=' subClass="VRTDerivedRasterBand"'), 'a program for its pixels'),
    ('<!DOCTYPE a [<!ENTITY b "c">]>' + bands('a.tif'), 'definitions of its own words'),
    (bands('&lt;MRF_META/>'), "a source is '<MRF_META/>'"),
    (bands('', '<x sourceFileName="&lt;MRF_META/>"/>'), "a source is '<MRF_META/>'"),
    (RASTER.format('<x xmlns="y"><SourceDataset>MEM:::DATAPOINTER=1</SourceDataset></x>'), "a source is 'MEM:::"),
    (bands('vrt://a.tif?oo=x'), "a source is 'vrt://"),
    ('<VRTDataset', 'no XML of one'),
])
def test_a_vrt_only_names_rasters(folder, text, message):
    (folder / 'bad.vrt').write_text(text)
    (folder / 'outer.vrt').write_text(bands('bad.vrt'))
    for name in ('bad.vrt', 'outer.vrt'):
        with pytest.raises(SceneError, match=rf'bad\.vrt: .*{message}'):
            Raster(str(folder / name))


def test_commands_of_one_that_is_not_on_this_disk_are_found_when_it_is_open(folder):
    from zipfile import ZipFile
    with ZipFile(folder / 'a.zip', 'w') as archive:
        archive.write(folder / 'a.tif', 'a.tif')
        archive.writestr('good.vrt', bands('a.tif'))
        archive.writestr('bad.vrt', bands('a.tif', SQL))
    Raster(f'/vsizip/{folder}/a.zip/good.vrt').close()
    with pytest.raises(SceneError, match=r'bad\.vrt: .*options for opening'):
        Raster(f'/vsizip/{folder}/a.zip/bad.vrt')

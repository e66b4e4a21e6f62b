import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec
from schanger_mm.geo.scaling import Scaling
from schanger_mm.scene.pairs import find_pairs


@pytest.fixture
def folders(tmp_path):
    """Return a function that fills two folders with empty files and returns their paths."""
    def fill(before, after):
        for folder, names in (('A', before), ('B', after)):
            (tmp_path / folder).mkdir()
            for name in names:
                (tmp_path / folder / name).touch()
        return str(tmp_path / 'A'), str(tmp_path / 'B')

    return fill


def test_two_rasters_are_one_pair_named_after_the_earlier():
    found = find_pairs('x/city_2019.tif', 'y/city_2023.vrt', bands=(3, 2, 1), align=True)
    assert [pair.name for pair in found.pairs] == ['city_2019'] and found.notes == []
    assert found.pairs[0].spec == PairSpec('x/city_2019.tif', 'y/city_2023.vrt', (3, 2, 1), align=True)


def test_folders_are_paired_by_name_in_natural_order(folders):
    a, b = folders(['t_10.tif', 't_2.TIF', 'only.png', '.hidden.tif', 'notes.txt'],
                   ['t_2.tif', 't_10.png', 'new_1.jpg', 'new_2.jpg', 't_2.tif.aux.xml'])
    found = find_pairs(a, b, scaling=Scaling.parse('0:3000'))
    assert [(pair.name, pair.spec.before, pair.spec.after) for pair in found.pairs] == [
        ('t_2', f'{a}/t_2.TIF', f'{b}/t_2.tif'), ('t_10', f'{a}/t_10.tif', f'{b}/t_10.png')]
    assert all(pair.spec.scaling == Scaling.parse('0:3000') for pair in found.pairs)
    assert found.notes == [
        f'{a}: 1 of 3 rasters have no file of that name in the other folder and are skipped: only.png.',
        f'{b}: 2 of 4 rasters have no file of that name in the other folder and are skipped: new_1.jpg, new_2.jpg.']


@pytest.mark.parametrize('before, after, message', [
    (['a.tif'], ['b.tif'], r'no two files have one name \(a.tif and b.tif, for example\)'),
    (['a.tif', 'a.png'], ['a.tif'], 'A: a.png and a.tif have one stem'),
    (['a.tif'], ['a.txt'], r'B: expected rasters \(.tif, .*\), found none'),
])
def test_folders_that_do_not_pair_are_refused(folders, before, after, message):
    with pytest.raises(SceneError, match=message):
        find_pairs(*folders(before, after))


def test_a_folder_beside_a_raster_is_refused(tmp_path):
    for pair in ((str(tmp_path), 'b.tif'), ('b.tif', str(tmp_path))):
        with pytest.raises(SceneError, match=f'found the folder {tmp_path} beside b.tif'):
            find_pairs(*pair)


def test_one_argument_must_be_a_table(tmp_path):
    with pytest.raises(SceneError, match='expected a second raster or folder'):
        find_pairs('a.tif')
    with pytest.raises(SceneError, match='is used alone, found also b.tif'):
        find_pairs('pairs.csv', 'b.tif')


def test_a_table_names_pairs_relative_to_its_folder(tmp_path):
    table = tmp_path / 'pairs.csv'
    table.write_text('\ufeffbefore,after,name\r\n2019/a.tif,2023/a.tif,north\r\n'
                     '"/abs/b, c.tif", https://host/b.tif?sig=1,\r\n\r\n', encoding='utf-8')
    found = find_pairs(str(table), outside=True, remote=True, gsd=0.5)
    assert [(pair.name, pair.spec) for pair in found.pairs] == [
        ('north', PairSpec(f'{tmp_path}/2019/a.tif', f'{tmp_path}/2023/a.tif', gsd=0.5, remote=True)),
        ('b, c', PairSpec('/abs/b, c.tif', 'https://host/b.tif?sig=1', gsd=0.5, remote=True))]
    assert found.pairs[1].spec.after.full == 'https://host/b.tif?sig=1'


@pytest.mark.parametrize('cell', ['<VRTDataset a=""1"">/etc/x.tif</VRTDataset>', 'x/<VRTDataset/>', 'a\nb.tif'])
@pytest.mark.parametrize('outside', [True, False])
def test_a_cell_of_a_table_is_no_text_of_a_raster(tmp_path, cell, outside):
    (tmp_path / 'pairs.csv').write_text(f'before,after\na.tif,"{cell}"\n')
    with pytest.raises(SceneError, match=r'pairs.csv, line \d: .* is not a name of a raster'):
        find_pairs(str(tmp_path / 'pairs.csv'), outside=outside)


@pytest.mark.parametrize('path', ['/abs/b.tif', '../b.tif', 'x/../../b.tif', '..', 'file:///b.tif'])
def test_a_table_does_not_lead_out_of_its_folder_unless_told_to(tmp_path, path):
    table = tmp_path / 'pairs.csv'
    table.write_text(f'before,after\na.tif,{path}\n')
    with pytest.raises(SceneError, match=f'pairs.csv, line 2: {path} does not lie below .*pass --outside'):
        find_pairs(str(table))
    assert find_pairs(str(table), outside=True).pairs[0].spec.after.endswith(path)


@pytest.mark.parametrize('path', ['https://host/b.tif', '/vsicurl/https://host/b.tif', 's3://bucket/b.tif'])
@pytest.mark.parametrize('outside', [True, False])
def test_a_table_leads_to_the_network_only_if_that_is_allowed(tmp_path, path, outside):
    table = tmp_path / 'pairs.csv'
    table.write_text(f'before,after\n{path},a.tif\n')
    with pytest.raises(SceneError, match=f'pairs.csv, line 2: {path}: is on the network, .*pass --remote'):
        find_pairs(str(table), outside=outside)
    (pair, ) = find_pairs(str(table), outside=outside, remote=True).pairs
    assert pair.name == 'b' and pair.spec.before.full == path.removeprefix('/vsicurl/')


def test_a_path_of_a_table_is_no_driver_of_gdal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'pairs.csv').write_text('before,after\nx/../a.tif,GTIFF_DIR:1:b.tif\n')
    spec = find_pairs('pairs.csv').pairs[0].spec
    assert (spec.before, spec.after) == ('./x/../a.tif', './GTIFF_DIR:1:b.tif')


@pytest.mark.parametrize('text, message', [
    ('', 'expected the columns before,after .* found nothing'),
    ('a.tif,b.tif\n', 'expected the columns .* found a.tif,b.tif'),
    ('before,after,extra\na,b,c\n', 'found before,after,extra'),
    ('before,after\n', 'expected a line for each pair, found none'),
    ('before,after\na.tif\n', 'line 2: expected 2 cells'),
    ('before,after\na.tif,b.tif,c.tif\n', 'line 2: expected 2 cells'),
    ('before,after\na.tif,\n', 'line 2: the cell `after` is empty'),
    ('before,after\nx/a.tif,b.tif\ny/A.tif,b.tif\n', 'line 3: the name A is that of line 2 too'),
    ('before,after,name\na.tif,b.tif,../x\n', "line 2: the name '../x' .* without slashes"),
    ('before,after,name\na.tif,b.tif,..\n', "line 2: the name '..'"),
    ('before,after\n"a.tif,b.tif\n', 'expected a table of pairs in UTF-8'),
])
def test_tables_that_make_no_sense_are_refused_with_the_line(tmp_path, text, message):
    (tmp_path / 'pairs.csv').write_text(text)
    with pytest.raises(SceneError, match=f'pairs.csv.*{message}'):
        find_pairs(str(tmp_path / 'pairs.csv'))


def test_a_table_that_is_none_is_refused(tmp_path):
    with pytest.raises(SceneError, match='pairs.csv: expected a table .*No such file'):
        find_pairs(str(tmp_path / 'pairs.csv'))
    (tmp_path / 'pairs.csv').write_bytes(b'before,after\n\xff\xfe.tif,b.tif\n')
    with pytest.raises(SceneError, match='pairs.csv: expected a table of pairs in UTF-8'):
        find_pairs(str(tmp_path / 'pairs.csv'))


@pytest.mark.parametrize('suffix', ['jp2', 'j2k', 'img', 'webp', 'bmp', 'JP2'])
def test_folders_hold_all_formats_that_one_file_has(tmp_path, suffix):
    for folder in 'ab':
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f'one.{suffix}').touch()
    (pair,) = find_pairs(str(tmp_path / 'a'), str(tmp_path / 'b')).pairs
    assert pair.name == 'one' and pair.spec.after.endswith(f'b/one.{suffix}')

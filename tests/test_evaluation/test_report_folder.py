import pytest

from schanger_mm.evaluation.report_folder import PARTS, ReportFolder


def fill(folder, text, worst=True):
    for name in ('predictions/city/a.png', 'per_image.csv', 'report.json', *(['worst/01_a.png'] if worst else [])):
        file = folder.partial / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def content(path):
    return {f.relative_to(path).as_posix(): f.read_text() for f in path.rglob('*') if f.is_file()}


def test_parts_appear_together_at_the_end(tmp_path):
    folder = ReportFolder(tmp_path / 'a/out')
    fill(folder, 'new')
    assert not any((folder.path / part).exists() for part in PARTS)
    folder.publish()
    assert set(content(folder.path)) == {'predictions/city/a.png', 'worst/01_a.png', 'per_image.csv', 'report.json'}
    assert sorted(p.name for p in folder.path.iterdir()) == sorted(PARTS)


@pytest.mark.parametrize('part', PARTS)
def test_an_earlier_report_or_a_part_of_one_is_refused(tmp_path, part):
    (tmp_path / part).mkdir()
    with pytest.raises(ValueError, match=f'it already holds {part}; name another folder, or pass --overwrite'):
        ReportFolder(tmp_path)
    ReportFolder(tmp_path, overwrite=True)


def test_a_file_is_refused(tmp_path):
    (tmp_path / 'out').write_text('')
    with pytest.raises(ValueError, match='out: this is a file'):
        ReportFolder(tmp_path / 'out', overwrite=True)


def test_overwriting_replaces_the_report_whole_and_nothing_else(tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    first = ReportFolder(tmp_path)
    fill(first, 'old')
    first.publish()
    second = ReportFolder(tmp_path, overwrite=True)
    fill(second, 'new', worst=False)
    assert content(tmp_path)['report.json'] == 'old'  # until the test has ended
    second.publish()
    assert content(tmp_path) == {'notes.txt': 'mine', 'predictions/city/a.png': 'new', 'per_image.csv': 'new',
                                 'report.json': 'new'}


def test_what_an_interrupted_test_left_is_cleared(tmp_path):
    folder = ReportFolder(tmp_path)
    folder.clear()
    fill(folder, 'half')
    folder.clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name', ['predictions/notes.txt', 'worst/a/mine.tif', '.partial/diary'])
def test_files_that_are_not_of_a_report_stay(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text('mine')
    with pytest.raises(ValueError, match=f'{name} is not of a report'):
        ReportFolder(tmp_path, overwrite=True)
    assert (tmp_path / name).read_text() == 'mine'


def test_a_link_is_refused_before_the_test_runs(tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/predictions').symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(ValueError, match='predictions is a link'):
        ReportFolder(tmp_path / 'out', overwrite=True)


def test_an_empty_text_is_no_folder():
    with pytest.raises(ValueError, match='--out: expected a folder, found an empty text'):
        ReportFolder('')

import os
import shutil

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
    with pytest.raises(ValueError, match=f'it already holds {part}; use another folder, or pass --overwrite'):
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
    with pytest.raises(ValueError, match=f'{name} is not part of a report'):
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


class Killed(BaseException):
    pass


def test_a_kill_at_any_moment_of_publishing_loses_no_report(tmp_path, monkeypatch):
    """Each rename and each removal in turn is the last thing that the process does."""
    left = {}

    def counted(function):
        def call(*args, **kwargs):
            left['calls'] -= 1
            if left['calls'] < 0:
                raise Killed
            return function(*args, **kwargs)
        return call

    for calls in range(20):
        out = tmp_path / str(calls)
        first = ReportFolder(out)
        fill(first, 'old')
        first.publish()
        second = ReportFolder(out, overwrite=True)
        fill(second, 'new', worst=False)
        left['calls'] = calls
        with monkeypatch.context() as patch:
            patch.setattr(os, 'replace', counted(os.replace))
            patch.setattr(shutil, 'rmtree', counted(shutil.rmtree))
            try:
                second.publish()
                killed = False
            except Killed:
                killed = True
        assert (out / 'report.json').read_text() in ('old', 'new')
        assert (out / 'report.json').read_text() == 'new' or calls < 7
        with pytest.raises(ValueError, match='it already holds'):
            ReportFolder(out)
        ReportFolder(out, overwrite=True).clear()  # what the next test does first
        assert not list(out.glob('.p*'))
        which = 'new' if calls else 'old'  # before the first rename nothing was finished
        expected = ['predictions/city/a.png', 'per_image.csv', 'report.json', *([] if calls else ['worst/01_a.png'])]
        assert content(out) == dict.fromkeys(expected, which), calls
        if not killed:
            break
    assert 5 < calls < 15 and not killed

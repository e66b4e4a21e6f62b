import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from schanger_mm.analysis.curves import analyze_logs, best, choose_keys, read_runs, table

LOSS = [dict(loss=9.0 - step / 10, lr=0.1, step=step) for step in (10, 20, 30, 40)]
SCORES = [{'changed/F1': 40.0 + step / 10, 'step': step} for step in (20, 40)]


def log(work_dir, time, records, resumed=False):
    folder = work_dir / time / 'vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text(''.join(json.dumps(record) + '\n' for record in records))
    (folder / 'config.py').write_text(f'load_from = None\nresume = {resumed}\nwork_dir = "x"\n')
    return folder / 'scalars.json'


def read(*paths):
    return read_runs(paths)


def test_a_run_is_read_from_any_place_that_names_it(tmp_path):
    file = log(tmp_path / 'work', '2026', LOSS + SCORES)
    expected = {'loss': [(10, 8.0), (20, 7.0), (30, 6.0), (40, 5.0)], 'lr': [(s, 0.1) for s in (10, 20, 30, 40)],
                'changed/F1': [(20, 42.0), (40, 44.0)]}
    for path, name in ((tmp_path / 'work', 'work'), (file.parents[1], '2026'), (file.parent, '2026'), (file, '2026')):
        (run, ) = read(path)
        assert (run.name, run.curves, run.logs, run.left_out) == (name, expected, 1, 0)


@given(st.integers(1, 9), st.integers(0, 9))
def test_a_resumed_run_reads_as_if_never_stopped(tmp_path_factory, resumed_at, further):
    """The first log went on past the checkpoint that the second started from."""
    work = tmp_path_factory.mktemp('work')
    records = [dict(loss=float(step), step=step) for step in range(1, 11)]
    log(work, '1', [dict(record, loss=-1.0) if record['step'] > resumed_at else record
                    for record in records[:resumed_at + further]])
    log(work, '2', records[resumed_at:], resumed=True)
    (run, ) = read(work)
    assert run.curves == {'loss': [(step, float(step)) for step in range(1, 11)]}
    assert (run.logs, run.left_out) == (2, 0)


def test_a_training_that_started_anew_replaces_those_before(tmp_path):
    log(tmp_path / 'w', '1', [dict(loss=7.0, step=3)])
    log(tmp_path / 'w', '2', [dict(loss=7.0, step=6)], resumed=True)
    log(tmp_path / 'w', '3', LOSS)
    (run, ) = read(tmp_path / 'w')
    assert run.curves['loss'][0] == (10, 8.0) and (run.logs, run.left_out) == (1, 2)


def test_a_run_that_was_resumed_only_for_its_last_validation_has_its_score(tmp_path):
    log(tmp_path / 'w', '1', LOSS + SCORES[:1])
    log(tmp_path / 'w', '2', SCORES[1:], resumed=True)
    log(tmp_path / 'w', '3', [], resumed=True)
    (run, ) = read(tmp_path / 'w')
    assert run.curves['changed/F1'] == [(20, 42.0), (40, 44.0)] and run.logs == 3
    assert run.curves['loss'][0] == (10, 8.0)


def test_logs_of_tests_are_passed_over(tmp_path):
    log(tmp_path / 'w', '1', LOSS)
    log(tmp_path / 'w', '2', [{'changed/F1': 99.0, 'step': 0}])
    (run, ) = read(tmp_path / 'w')
    assert 'changed/F1' not in run.curves and run.logs == 1


def test_runs_of_one_name_get_their_parents_too(tmp_path):
    for name in ('a', 'b'):
        log(tmp_path / name / 'work', '2026', LOSS)
    assert [run.name for run in read(tmp_path / 'a/work', tmp_path / 'b/work')] == ['a/work', 'b/work']


def test_places_without_a_log_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere: no \*/vis_data/scalars\.json'):
        read(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='has no scalar'):
        read(log(tmp_path, '1', []))
    with pytest.raises(ValueError, match='line 1 is not JSON'):
        broken = log(tmp_path, '2', [])
        broken.write_text('{"loss"\n{"loss": 1}\n')
        read(broken)


def test_by_default_loss_rate_and_every_f1_are_shown(tmp_path):
    log(tmp_path / 'w', '1', [*LOSS, *SCORES, {'building/F1': 1.0, 'time': 2.0, 'step': 40}])
    runs = read(tmp_path / 'w')
    assert choose_keys(runs) == ['loss', 'lr', 'building/F1', 'changed/F1']
    assert choose_keys(runs, ['time', 'time']) == ['time']
    with pytest.raises(ValueError, match=r'--keys f1 x: not in the logs of w, which hold: building/F1, changed/F1, '
                                         r'loss, lr, time\.'):
        choose_keys(runs, ['loss', 'f1', 'x'])


@pytest.mark.parametrize('key, expected', [
    ('loss', (2, 1.0)), ('decode.loss_bce_dice', (2, 1.0)), ('changed/F1', (3, 5.0)), ('decode.acc_seg', (3, 5.0)),
    ('lr', None), ('time', None),
])
def test_the_best_is_the_lowest_loss_or_the_highest_score(key, expected):
    assert best(key, [(0, math.nan), (1, 3.0), (2, 1.0), (3, 5.0), (4, 5.0)]) == expected
    assert best(key, [(0, math.nan)]) is None


def test_the_table_says_best_iteration_and_last(tmp_path):
    log(tmp_path / 'w', '1', LOSS + SCORES)
    log(tmp_path / 'v', '1', [dict(loss=3.25, step=7)])
    said = table(read(tmp_path / 'w', tmp_path / 'v'), ['loss', 'changed/F1'])
    lines = [[cell.strip() for cell in line.split('|')[1:-1]] for line in said.splitlines() if '|' in line]
    assert lines[1:] == [['w', 'loss', '5', '40', '5', '40'], ['w', 'changed/F1', '44', '40', '44', '40'],
                         ['v', 'loss', '3.25', '7', '3.25', '7'], ['v', 'changed/F1', '-', '-', '-', '-']]


def test_picture_and_points_are_written_once(tmp_path):
    log(tmp_path / 'w_$1$', '1', LOSS + SCORES)
    log(tmp_path / 'w_$1$', '2', [dict(loss=1.0, step=50)], resumed=True)
    png, points = tmp_path / 'new/c.png', tmp_path / 'c.csv'
    said = analyze_logs([tmp_path / 'w_$1$'], out=png, csv_file=points)
    assert 'w_$1$: joined from 2 logs.' in said and said.endswith(f'points: {points}\ncurves: {png}')
    pixels = np.asarray(Image.open(png).convert('RGB')).astype(int)
    assert pixels.shape[1] == 2160  # three panels
    blue = np.abs(pixels - (0x2E, 0x8B, 0xC0)).sum(2) < 30
    assert all(panel.sum() > 200 for panel in np.split(blue, 3, axis=1))  # the run is drawn in each
    rows = list(csv.DictReader(points.open()))
    assert len(rows) == 5 + 4 + 2 and rows[4] == dict(run='w_$1$', key='loss', iteration='50', value='1.0')
    for again in (dict(out=png), dict(out=tmp_path / 'd.png', csv_file=points)):
        with pytest.raises(FileExistsError, match='exists already; nothing was written'):
            analyze_logs([tmp_path / 'w_$1$'], **again)
    assert not (tmp_path / 'd.png').exists()
    analyze_logs([tmp_path / 'w_$1$'], ['loss'], png, points, overwrite=True)
    assert len(points.read_text().splitlines()) == 6


def test_only_pictures_are_drawn(tmp_path):
    with pytest.raises(ValueError, match=r'--out curves\.txt: expected a name that ends in \.png'):
        analyze_logs([tmp_path], out='curves.txt')

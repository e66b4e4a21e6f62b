"""Where temporary results lie."""

import json
import os

from schanger_changes import cache


def test_the_same_inputs_lead_to_the_same_folder(tmp_path):
    inputs = dict(before=['/a b/ä.tif', 3, 4], options=['--align'])
    first = cache.cache_folder(tmp_path, '2019 Lübeck', inputs)
    assert first == cache.cache_folder(tmp_path, '2019 Lübeck', dict(reversed(inputs.items()))) and first.is_dir()
    assert first.name.startswith('2019_Lübeck-') and json.loads((first / 'inputs.json').read_text('utf-8')) == inputs
    assert first != cache.cache_folder(tmp_path, '2019 Lübeck', dict(inputs, options=[]))


def test_a_changed_file_has_another_stamp(tmp_path):
    path = tmp_path / 'a.tif'
    path.write_bytes(b'abc')
    first = cache.stamp(str(path))
    assert first == [str(path), 3, os.stat(path).st_mtime_ns]
    os.utime(path, ns=(1, 1))
    assert cache.stamp(str(path)) != first
    assert cache.stamp('GPKG:a.gpkg:tiles') == ['GPKG:a.gpkg:tiles']


def test_a_network_is_known_by_its_content(tmp_path):
    for name in 'ab':
        (tmp_path / name).mkdir()
        (tmp_path / name / 'net.onnx').write_bytes(b'abc')
    first, second = (cache.model_stamp(str(tmp_path / name / 'net.onnx')) for name in 'ab')
    assert first == second and first[1].startswith('ba7816bf')
    assert cache.model_stamp('levir-base') == ['levir-base']


def test_names_of_folders_are_plain():
    assert cache.plain('../a:b|c') == 'a_b_c' and cache.plain('???') == 'scene' and len(cache.plain('x' * 99)) == 40

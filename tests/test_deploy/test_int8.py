from dataclasses import replace

import cv2
import numpy as np
import pytest

from schanger_mm.config.loading import load_config
from schanger_mm.demo.scenes import draw_pair
from schanger_mm.deploy import DeployError, int8, open_runtime, read_card
from schanger_mm.deploy import export as exporting
from schanger_mm.deploy.export import export
from schanger_mm.deploy.formats import write_openvino
from schanger_mm.deploy.labelled_tiles import Tile, read_halves, score


def labelled(root, count, changed=True):
    """Write drawn pairs of 96 px; without ``changed`` their masks are empty."""
    rng = np.random.default_rng(0)
    for index in range(count):
        for folder, image in zip(('A', 'B', 'label'), draw_pair(rng, 96)):
            (root / folder).mkdir(exist_ok=True)
            image = image if changed or folder != 'label' else np.zeros_like(image)
            cv2.imwrite(str(root / folder / f'{index}.png'), image)
    return root


@pytest.fixture(scope='module')
def quantised(trained, needs, tmp_path_factory):
    """An int8 file, and the tiles that were held back."""
    needs('onnx')
    path = tmp_path_factory.mktemp('int8') / 'int8.onnx'
    tiles, held_back = read_halves(labelled(tmp_path_factory.mktemp('pairs'), 4), 64)
    int8.quantise(trained.files['onnx'], path, read_card(trained.files['onnx']), tiles)
    return path, held_back


def test_pairs_are_cut_and_every_other_one_is_held_back(tmp_path):
    folder = labelled(tmp_path, 3)
    tiles, held_back = read_halves(folder, 64)
    assert (len(tiles), len(held_back)) == (8, 4)  # two pairs and one, of 2 x 2 tiles
    image, mask = cv2.imread(str(folder / 'B/2.png')), cv2.imread(str(folder / 'label/2.png'), 0) // 255
    last = tiles[7]
    np.testing.assert_array_equal(last.after[0], image[32:, 32:, ::-1].transpose(2, 0, 1))
    np.testing.assert_array_equal(last.mask, mask[32:, 32:])
    assert last.before.shape == (1, 3, 64, 64) and last.before.dtype == np.float32
    assert [tile.mask.shape for tile in read_halves(folder, 128)[1]] == [(96, 96)]


@pytest.mark.parametrize(('count', 'changed', 'message'), [
    (1, True, 'at least two pairs.*found 1'), (2, False, 'nothing is changed in the pairs that are held back')])
def test_folders_that_judge_nothing_are_refused(tmp_path, count, changed, message):
    with pytest.raises(DeployError, match=message):
        read_halves(labelled(tmp_path, count, changed), 64)


def test_a_missing_folder_is_named_with_its_option(tmp_path):
    for option in ('--calibration', '--data'):
        with pytest.raises(DeployError, match=f'{option} .*none: no such folder; expected one that holds A, B and'):
            read_halves(tmp_path / 'none', 64, option=option)


def test_convolutions_are_in_int8_and_probabilities_are_near(trained, quantised):
    import onnx
    path, tiles = quantised
    graph, before = onnx.load(path).graph, onnx.load(trained.files['onnx']).graph
    convolutions = sum(node.op_type == 'Conv' for node in before.node)
    assert sum(node.op_type == 'Conv' for node in graph.node) == convolutions > 50
    assert sum(tensor.data_type == onnx.TensorProto.INT8 for tensor in graph.initializer) >= convolutions
    assert not any(tensor.data_type == onnx.TensorProto.INT8 for tensor in before.initializer)
    float32, found = (score(open_runtime(file, threads=1), tiles)[1] for file in (trained.files['onnx'], path))
    difference = np.abs(np.array(float32) - np.array(found))
    assert 1e-4 < difference.mean() < 0.1, difference.mean()
    assert np.corrcoef(np.ravel(float32), np.ravel(found))[0, 1] > 0.9


@pytest.mark.parametrize(('normalisation', 'scale'), [('inside', 1.0), ('outside', 5 / 255)])
def test_ranges_are_those_of_what_the_file_takes(trained, needs, tmp_path, normalisation, scale):
    needs('onnx')
    import onnx
    from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
    before, after, change = (make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, 2, 2])
                             for name, channels in (('before', 3), ('after', 3), ('change', 1)))
    weight = onnx.numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), 'weight')
    nodes = [make_node('Conv', [name, 'weight'], [f'{name}_1']) for name in ('before', 'after')]
    nodes.append(make_node('Sub', ['after_1', 'before_1'], ['change']))
    graph = make_graph(nodes, 'differences', [before, after], [change], [weight])
    onnx.save(make_model(graph, ir_version=8, opset_imports=[make_opsetid('', 17)]), tmp_path / 'fp32.onnx')
    card = replace(read_card(trained.files['onnx']), normalisation=normalisation, mean=((127.5, ) * 3, ) * 2,
                   std=((51.0, ) * 3, ) * 2)
    image = np.linspace(0, 255, 12, dtype=np.float32).reshape(1, 3, 2, 2)  # normalised -2.5..2.5
    int8.quantise(tmp_path / 'fp32.onnx', tmp_path / 'int8.onnx', card, [Tile(image, image, np.zeros((2, 2)))])
    scales = {tensor.name: onnx.numpy_helper.to_array(tensor)
              for tensor in onnx.load(tmp_path / 'int8.onnx').graph.initializer if tensor.name.endswith('_scale')}
    assert [float(scales[f'{name}_scale']) for name in card.inputs] == pytest.approx([scale, scale])


@pytest.mark.long
def test_openvino_runs_them_too(quantised, needs, tmp_path):
    needs('openvino')
    path, tiles = quantised
    write_openvino(path, tmp_path / 'int8.xml', read_card(path))
    one, other = (score(open_runtime(file, threads=1), tiles)[1] for file in (path, tmp_path / 'int8.xml'))
    assert np.abs(np.array(one) - np.array(other)).mean() < 0.05


@pytest.mark.parametrize(('before', 'after', 'message'), [
    (80.3, 80.0, None), (80.3, 80.4, None), (80.3, 79.99, 'F1 79.99 instead of 80.30 .* More than 0.3 points are lost'),
    (80.3, float('nan'), 'F1 nan instead of 80.30'), (0.0, 0.0, 'in float32 the network finds none of the changes'),
    (float('nan'), 0.0, r'held back \(F1 nan\), so they cannot show what int8 costs; nothing was written')])
def test_up_to_0_3_points_of_an_f1_above_0_may_be_lost(before, after, message, monkeypatch):
    monkeypatch.setattr(int8, 'score', lambda f1, tiles: (f1, [np.zeros((2, 2))]))
    if message is None:
        assert int8.judge(after, before, []).startswith(f'F1 {after:.2f} instead of {before:.2f}')
    else:
        with pytest.raises(DeployError, match=message):
            int8.judge(after, before, [])


def test_what_it_costs_is_said_and_too_much_refused(trained, quantised, monkeypatch):
    path, tiles = quantised
    float32, found = (open_runtime(file, threads=1) for file in (trained.files['onnx'], path))

    def f1(runtime):
        maps = np.array(score(runtime, tiles)[1]) > runtime.card.threshold
        masks = np.array([tile.mask for tile in tiles]) == 1
        return 200 * (maps & masks).sum() / (maps.sum() + masks.sum())
    monkeypatch.setattr(int8, 'DROP', 100.0)
    assert int8.judge(found, float32, tiles).startswith(f'F1 {f1(found):.2f} instead of {f1(float32):.2f} on 8 tiles')
    monkeypatch.setattr(int8, 'DROP', -100.0)
    with pytest.raises(DeployError, match='--precision int8: F1 .* so nothing was written'):
        int8.judge(found, float32, tiles)


@pytest.mark.long
@pytest.mark.parametrize(('format', 'names', 'normalise'), [
    ('onnx', ['net.onnx'], 'outside'), ('openvino', ['net.bin', 'net.xml'], 'inside')])
def test_one_command_writes_the_file_or_leaves_nothing(trained, needs, format, names, normalise, tmp_path, monkeypatch):
    needs(format)
    (tmp_path / 'pairs').mkdir(), (tmp_path / 'out').mkdir()
    settings = dict(format=format, precision='int8', calibration=labelled(tmp_path / 'pairs', 4),
                    out=tmp_path / 'out' / names[-1], tile=64, normalise=normalise)

    def write():
        return export(load_config(trained.config), 'own.py', trained.checkpoint, **settings)
    monkeypatch.setattr(int8, 'DROP', -100.0)
    with pytest.raises(DeployError, match='--precision int8: F1 .* so nothing was written'):
        write()
    assert not list((tmp_path / 'out').iterdir())
    monkeypatch.setattr(int8, 'DROP', 100.0)
    said = write()
    assert 'in int8: F1 ' in said and 'instead of ' in said
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == names
    assert read_card(settings['out']).versions['int8'].startswith('onnxruntime ')
    tiles = read_halves(tmp_path / 'pairs', 64)[1]
    found, float32 = (np.array(score(open_runtime(file, threads=1), tiles)[1])
                      for file in (settings['out'], trained.files['onnx']))
    assert 1e-4 < np.abs(found - float32).mean() < 0.1


def test_a_bad_calibration_folder_is_found_before_the_network_is_traced(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, 'trace', lambda graph: pytest.fail('traced'))
    (tmp_path / 'pairs').mkdir()
    with pytest.raises(DeployError, match='--calibration .*pairs: expected at least two pairs'):
        export(load_config(trained.config), 'own.py', trained.checkpoint, tmp_path / 'out/net.onnx', 'onnx',
               precision='int8', calibration=labelled(tmp_path / 'pairs', 1), tile=64)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(('options', 'message'), [
    (dict(precision='int8'), '--precision int8 and --calibration DIR go together'),
    (dict(calibration='set'), '--precision int8 and --calibration DIR go together'),
    (dict(precision='int4'), '--precision int4: expected one of fp32, int8'),
    (dict(precision='int8', calibration='set', format='program', out='a.pt2'), 'found --format program')])
def test_options_that_do_not_fit(tmp_path, options, message):
    settings = dict(dict(format='onnx', out='a.onnx'), **options)
    settings['out'] = tmp_path / settings['out']
    with pytest.raises(DeployError, match=message):
        export({}, 'c.py', 'c.pth', **settings)
    assert not list(tmp_path.iterdir())

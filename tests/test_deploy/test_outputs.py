"""What a changed file yields is held against what an export yields."""

import numpy as np
import pytest

from schanger_mm.deploy import DeployError, open_runtime

BEFORE = np.zeros((2, 3, 16, 24), np.float32)
AFTER = np.full((2, 3, 16, 24), 1.5, np.float32)
FLOAT, DOUBLE, INT64 = 1, 11, 7


@pytest.fixture
def changed_onnx(make_onnx, tmp_path):
    """Return a function that writes an export whose last node, and output type, are others."""
    onnx = pytest.importorskip('onnx')

    def write(kind, inputs=('logit', ), output=FLOAT, **attributes):
        model = onnx.load(make_onnx(tmp_path / 'changed.onnx'))
        model.graph.node[-1].CopyFrom(onnx.helper.make_node(kind, list(inputs), ['probability'], **attributes))
        model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info('probability', output, None))
        onnx.save(model, tmp_path / 'changed.onnx')
        return tmp_path / 'changed.onnx'
    return write


def test_probabilities_pass(changed_onnx, needs):
    needs('onnx')
    found = open_runtime(changed_onnx('Sigmoid'), threads=1)(BEFORE, AFTER)
    np.testing.assert_allclose(found, np.full((2, 16, 24), 0.81757448), rtol=1e-5)


@pytest.mark.parametrize(('node', 'message'), [
    (dict(kind='Identity'), r'goes from 1.5 to 1.5; expected probabilities in 0..1'),
    (dict(kind='Neg'), r'goes from -1.5 to -1.5; expected'),
    (dict(kind='Log', inputs=('difference', )), r'shape \(2, 3, 16, 24\); expected .* shape \(2, 1, 16, 24\)'),
    (dict(kind='Concat', inputs=('logit', 'logit'), axis=1), r'shape \(2, 2, 16, 24\); expected'),
    (dict(kind='Concat', inputs=('logit', 'logit'), axis=0), r'shape \(4, 1, 16, 24\); expected'),
    (dict(kind='Concat', inputs=('logit', 'logit'), axis=2), r'shape \(2, 1, 32, 24\); expected'),
    (dict(kind='MaxPool', kernel_shape=[2, 2], strides=[2, 2]), r'shape \(2, 1, 8, 12\); expected'),
    (dict(kind='ReduceMean', axes=[1, 2, 3], keepdims=0), r'shape \(2,\); expected'),
    (dict(kind='Cast', to=INT64, output=INT64), r'is int64 of shape \(2, 1, 16, 24\); expected float32'),
    (dict(kind='Cast', to=DOUBLE, output=DOUBLE), r'is float64 of shape'),
])
def test_another_output_is_refused(changed_onnx, needs, node, message):
    needs('onnx')
    with pytest.raises(DeployError, match=f'changed.onnx: its output .*{message}'):
        open_runtime(changed_onnx(**node), threads=1)(BEFORE, AFTER)


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_values_that_are_no_numbers_are_refused(changed_onnx, needs, backend):
    needs(backend)
    with pytest.raises(DeployError, match='goes from nan to nan; expected probabilities in 0..1'):
        open_runtime(changed_onnx('Sqrt'), backend, threads=1)(AFTER, BEFORE)


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_a_file_that_fails_on_the_images_is_named(make_onnx, needs, tmp_path, backend):
    needs(backend)
    import onnx
    model = onnx.load(make_onnx(tmp_path / 'fixed.onnx'))
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[2].dim_value = 64
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    onnx.save(model, tmp_path / 'fixed.onnx')
    program = dict(onnx='ONNX Runtime', openvino='OpenVINO')[backend]
    with pytest.raises(DeployError, match=rf'fixed.onnx: {program} cannot run it on 2 pairs of 16 x 24 px \(\w+: .+\)'):
        open_runtime(tmp_path / 'fixed.onnx', backend, threads=1)(BEFORE, AFTER)


def test_inputs_of_other_names_are_refused(make_onnx, needs, tmp_path):
    needs('onnx')
    import onnx
    model = onnx.load(make_onnx(tmp_path / 'named.onnx'))
    model.graph.input[0].name = model.graph.node[0].input[1] = 'x'
    onnx.save(model, tmp_path / 'named.onnx')
    with pytest.raises(DeployError, match=r'named.onnx: ONNX Runtime cannot run it .*\(ValueError: Required inputs'):
        open_runtime(tmp_path / 'named.onnx', threads=1)(BEFORE, AFTER)

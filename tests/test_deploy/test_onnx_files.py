"""The part of ONNX's schema that is read here is that of the onnx package, for every type of values."""

import sys

import numpy as np
import pytest

from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.onnx_files import BITS, SCHEMA, read_metadata
from schanger_mm.utils.errors import MissingPackageError

onnx = pytest.importorskip('onnx')
TYPES = {number: name for name, number in onnx.TensorProto.DataType.items() if number}
NAMES = {value: name.removeprefix('TYPE_').lower() for name, value in vars(
    type(onnx.TensorProto.DESCRIPTOR.fields[0])).items() if name.startswith('TYPE_') and isinstance(value, int)}
VALUES = 3


def described(field):
    """A field as SCHEMA words it."""
    repeated = field.is_repeated if hasattr(field, 'is_repeated') else field.label == field.LABEL_REPEATED
    kind = field.message_type.name if field.message_type else NAMES[field.type].replace('enum', 'int32')
    return f'{field.number} {"*" * repeated}{kind}'


def ways_to_tensors(message, above=()):
    """Yield (message, field) of each field through which a tensor can be reached."""
    for field in message.fields:
        inner = field.message_type
        if inner is None or inner.name in above:
            continue
        if inner.name == 'TensorProto':
            yield message.name, field
        elif deeper := list(ways_to_tensors(inner, (*above, message.name))):
            yield from [(message.name, field), *deeper]


def test_every_way_to_a_tensor_is_in_the_schema():
    ways = {(message, field.name): described(field)
            for message, field in ways_to_tensors(onnx.ModelProto.DESCRIPTOR)}
    assert len(ways) >= 19 and ('AttributeProto', 't') in ways and ('TrainingInfoProto', 'algorithm') in ways
    assert {way: SCHEMA[way[0]].get(way[1]) for way in ways} == ways
    loops = {('AttributeProto', 'g'), ('AttributeProto', 'graphs')}  # lead back to graphs, so not walked above
    named = {(message, field) for message, fields in SCHEMA.items() for field in fields
             if message not in ('TensorProto', 'StringStringEntryProto') and field != 'metadata_props'}
    assert named - set(ways) <= loops


def test_fields_of_the_schema_are_those_of_onnx():
    for message, fields in SCHEMA.items():
        theirs = {field.name: described(field) for field in getattr(onnx, message).DESCRIPTOR.fields}
        assert fields == {name: theirs.get(name) for name in fields}, message


def tensor_of(kind, raw):
    """A tensor of three values of a type, as onnx writes it."""
    if TYPES[kind] == 'STRING':
        return onnx.helper.make_tensor('t', kind, [VALUES], [b'a', b'bc', b''])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
    if raw:
        return onnx.numpy_helper.from_array(np.ones(VALUES).astype(dtype), 't')
    return onnx.helper.make_tensor('t', kind, [VALUES], np.ones(VALUES).astype(dtype))


def written(tmp_path, tensor):
    graph = onnx.helper.make_graph([], 'graph', [], [], [tensor])
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, {'key': 'value'})
    (tmp_path / 'net.onnx').write_bytes(model.SerializeToString())
    return tmp_path / 'net.onnx'


@pytest.mark.parametrize('raw', [True, False])
@pytest.mark.parametrize('kind', TYPES, ids=TYPES.get)
def test_a_tensor_of_every_type_is_measured_as_onnx_does(tmp_path, kind, raw):
    assert kind in BITS
    tensor = tensor_of(kind, raw)
    assert onnx.numpy_helper.to_array(tensor).shape == (VALUES, )
    assert tensor.HasField('raw_data') == (raw and TYPES[kind] != 'STRING')
    assert read_metadata(written(tmp_path, tensor), 'key') == 'value'
    tensor.dims[:] = [VALUES * 5]
    with pytest.raises(DeployError, match=r"its tensor 't' of shape \[15\] does not fit .* \(15 values in"):
        read_metadata(written(tmp_path, tensor), 'key')


def test_without_protobuf_the_command_is_named(tmp_path, monkeypatch):
    path = written(tmp_path, tensor_of(1, True))
    monkeypatch.setitem(sys.modules, 'google.protobuf.message', None)
    with pytest.raises(MissingPackageError, match=r'Reading ONNX files needs protobuf, .*"schanger-mm\[predict\]"'):
        read_metadata(path, 'key')


def test_without_the_key_there_is_no_entry(tmp_path):
    assert read_metadata(written(tmp_path, tensor_of(1, True)), 'other') is None

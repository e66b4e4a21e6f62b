"""Read what an ONNX file says about itself, by the protobuf that ONNX Runtime brings, without the onnx package.

The schema is the part of ``onnx-ml.proto`` (IR version 13) that leads to tensors and to the metadata; protobuf skips
the rest. ``tests/test_deploy/test_onnx_files.py`` holds it against the installed onnx.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from schanger_mm.deploy.errors import DeployError
from schanger_mm.utils.optional import require

EXTRA = 'predict'
"""The extra of this package that installs what reads and runs ONNX files."""
SCHEMA = {
    'ModelProto': {'graph': '7 GraphProto', 'metadata_props': '14 *StringStringEntryProto',
                   'training_info': '20 *TrainingInfoProto', 'functions': '25 *FunctionProto'},
    'GraphProto': {'node': '1 *NodeProto', 'initializer': '5 *TensorProto',
                   'sparse_initializer': '15 *SparseTensorProto'},
    'NodeProto': {'attribute': '5 *AttributeProto'},
    'AttributeProto': {'t': '5 TensorProto', 'g': '6 GraphProto', 'tensors': '10 *TensorProto',
                       'graphs': '11 *GraphProto', 'sparse_tensor': '22 SparseTensorProto',
                       'sparse_tensors': '23 *SparseTensorProto'},
    'SparseTensorProto': {'values': '1 TensorProto', 'indices': '2 TensorProto'},
    'TrainingInfoProto': {'initialization': '1 GraphProto', 'algorithm': '2 GraphProto'},
    'FunctionProto': {'node': '7 *NodeProto', 'attribute_proto': '11 *AttributeProto'},
    'StringStringEntryProto': {'key': '1 string', 'value': '2 string'},
    'TensorProto': {'dims': '1 *int64', 'data_type': '2 int32', 'float_data': '4 *float', 'int32_data': '5 *int32',
                    'string_data': '6 *bytes', 'int64_data': '7 *int64', 'name': '8 string', 'raw_data': '9 bytes',
                    'double_data': '10 *double', 'uint64_data': '11 *uint64',
                    'external_data': '13 *StringStringEntryProto', 'data_location': '14 int32'},
}
"""Fields of each message: number and type; a star for lists."""
EXTERNAL = 1
"""``data_location`` of a tensor whose values are in another file."""
STRING = 8
BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, STRING: 8, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128,
        16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2, 27: 6, 28: 6}
"""Bits of a value in ``raw_data``, by ``data_type``."""
_LISTS = {1: ('float_data', 1), 14: ('float_data', 2), 11: ('double_data', 1), 15: ('double_data', 2),
          7: ('int64_data', 1), STRING: ('string_data', 1), 12: ('uint64_data', 1), 13: ('uint64_data', 1)}
"""List with the values of a type without ``raw_data``, and how many numbers make a value; else ``int32_data``."""
_PACKED = {21: 2, 22: 2, 23: 2, 25: 4, 26: 4}
"""Values in one number of ``int32_data``, for types smaller than a byte."""


def read_metadata(path: Path, key: str) -> str | None:
    """Return one entry of the metadata of an ONNX file, None without it.

    Raises:
        MissingPackageError: protobuf is not installed.
        DeployError: no ONNX file, or one that names other files or whose tensors do not fit their values.
    """
    model = _read(path)
    for tensor in _tensors(model):
        if tensor.data_location == EXTERNAL:
            other = next((entry.value for entry in tensor.external_data if entry.key == 'location'), '')
            raise DeployError(f'{path} is refused: its weights are in another file ({other[:80]!r}), and such a name '
                              'may lead anywhere on this machine; an export of this project holds its weights itself.')
        if problem := _misfit(tensor):
            raise DeployError(f'{path} is refused: its tensor {tensor.name[:80]!r} of shape {list(tensor.dims)[:8]} '
                              f'does not fit the values that the file holds for it ({problem}); export it again.')
    return next((entry.value for entry in model.metadata_props if entry.key == key), None)


def _read(path: Path) -> Any:
    decode_error = require('google.protobuf.message', EXTRA, 'Reading ONNX files').DecodeError
    model = _model_class()()
    try:
        model.ParseFromString(path.read_bytes())
    except decode_error as error:
        raise DeployError(f'{path} cannot be read as ONNX: {error}.') from error
    return model


@cache
def _model_class() -> type:
    """Make the class of ONNX models from the schema, in a pool of its own beside that of the onnx package."""
    descriptors = require('google.protobuf.descriptor_pb2', EXTRA, 'Reading ONNX files')
    pools = require('google.protobuf.descriptor_pool', EXTRA, 'Reading ONNX files')
    factory = require('google.protobuf.message_factory', EXTRA, 'Reading ONNX files')
    kinds = descriptors.FieldDescriptorProto
    file = descriptors.FileDescriptorProto(name='schanger_mm/onnx.proto', package='schanger_mm.onnx', syntax='proto2')
    for message, fields in SCHEMA.items():
        added = file.message_type.add(name=message)
        for name, (number, kind) in ((name, text.split()) for name, text in fields.items()):
            label = kinds.LABEL_REPEATED if kind.startswith('*') else kinds.LABEL_OPTIONAL
            field = added.field.add(name=name, number=int(number), label=label)
            kind = kind.removeprefix('*')
            if kind in SCHEMA:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f'.{file.package}.{kind}'
            else:
                field.type = getattr(kinds, f'TYPE_{kind.upper()}')
    pool = pools.DescriptorPool()
    pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName(f'{file.package}.ModelProto'))


def _tensors(message: Any) -> Iterator[Any]:
    """Yield all tensors of an ONNX model, wherever they are."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if hasattr(value, 'add') else [value]:  # lists have it
            if field.message_type.name == 'TensorProto':
                yield part
            yield from _tensors(part)


def _misfit(tensor: Any) -> str | None:
    """Return what is wrong with the size of a tensor, if anything: OpenVINO 2025.0 reads beyond its values."""
    claimed, kind = math.prod(tensor.dims), tensor.data_type
    if kind not in BITS:
        return f'values of the unknown type {kind}'
    if len(tensor.raw_data):
        held, expected, unit = len(tensor.raw_data), math.ceil(claimed * BITS[kind] / 8), 'bytes'
    else:
        name, per_value = _LISTS.get(kind, ('int32_data', 1))
        held, unit = len(getattr(tensor, name)), 'numbers'
        expected = math.ceil(claimed / _PACKED.get(kind, 1)) * per_value
    if min(tensor.dims, default=0) < 0 or held != expected:
        return f'{claimed} values in {held} {unit}'
    return None

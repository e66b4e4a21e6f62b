"""What an exported file says about itself."""

from __future__ import annotations

import dataclasses
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from schanger_mm.deploy.card_checks import wrong_entries
from schanger_mm.deploy.errors import DeployError
from schanger_mm.json_files import JsonError, parse_table
from schanger_mm.optional import require

FORMAT = 1
LONGEST = 1 << 20
"""Of a card, bytes."""
KEY = 'schanger_mm'
"""Key of the card: in ONNX's metadata, in OpenVINO's rt_info, and, with ``.json``, among a program's extra files."""
EXTRA = 'export'
"""The extra of this package that installs the backends."""
BACKENDS = {'onnx': '.onnx', 'openvino': '.xml', 'program': '.pt2'}
"""Suffix of each format; an OpenVINO file has its weights in a ``.bin`` beside it."""


@dataclass(frozen=True)
class Card:
    """The facts that a program needs to use an exported file.

    Args:
        inputs: names of the inputs: ``before`` and ``after``, or one of six bands.
        classes: what 0 and 1 mean.
        mean, std: statistics of each date, red, green, blue, in 0..255.
        normalisation: ``'inside'``: the file takes 0..255; ``'outside'``: it takes ``(x - mean) / std``.
        threshold: a pixel is changed where its probability is above it.
        tile: side of the tiles that the network should see, px.
        fixed_size: other sizes than ``tile`` are refused.
        gsd: ground sampling distance of the training images, metres; None: unknown.
        align_corners: how probabilities of this network are resized.
        config: file name of the config.
        checkpoint: file name of the checkpoint.
        checkpoint_sha256: of that file.
        versions: of what wrote the file.
        format: version of this table.
    """

    inputs: tuple[str, ...]
    classes: tuple[str, str]
    mean: tuple[tuple[float, ...], tuple[float, ...]]
    std: tuple[tuple[float, ...], tuple[float, ...]]
    normalisation: str
    threshold: float
    tile: int
    fixed_size: bool
    gsd: float | None
    align_corners: bool
    config: str
    checkpoint: str
    checkpoint_sha256: str
    versions: dict[str, str]
    format: int = FORMAT

    def dumps(self) -> str:
        """Encode as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def loads(cls, text: str | None, path: str | Path) -> Card:
        """Decode what :meth:`dumps` wrote into the file ``path``.

        Raises:
            DeployError: there is no card, a damaged one, or one of another version.
        """
        if not text:
            raise DeployError(f'{path} is no export of this project (it has no {KEY} among its metadata); expected a '
                              'file that tools/export.py wrote.')
        try:
            facts = parse_table(text, f'{path}, its metadata {KEY}')
        except JsonError as error:
            raise DeployError(f'{error} Export the checkpoint again.') from error
        if facts.get('format') != FORMAT:
            versions = facts.get('versions')
            wrote = versions.get('schanger_mm') if isinstance(versions, dict) else None
            raise DeployError(f'{path}: its metadata is of version {str(facts.get("format"))[:40]}, expected {FORMAT}; '
                              'export the checkpoint again with this version of schanger_mm, or use the one that wrote '
                              f'it ({str(wrote)[:40]}).')
        if wrong := wrong_entries(facts):
            raise DeployError(f'{path}: its metadata {KEY} is damaged or was changed: {"; ".join(wrong[:3])}. Export '
                              'the checkpoint again.')
        for key in ('mean', 'std'):
            facts[key] = tuple(map(tuple, facts[key]))
        for key in ('inputs', 'classes'):
            facts[key] = tuple(facts[key])
        return cls(**facts)


def backend_of(path: str | Path) -> str | None:
    """Name of the backend that a file is for by its suffix, None for other files."""
    return next((name for name, suffix in BACKENDS.items() if Path(path).suffix.lower() == suffix), None)


def read_card(path: str | Path) -> Card:
    """Read the card of an exported file of any format.

    Raises:
        ImportError: the package onnx, which reads ONNX files, is not installed.
        DeployError: the file is missing, damaged, or no export of this project.
    """
    backend = backend_of(path)
    if backend is None:
        raise DeployError(f'{path}: expected an exported network that ends in {", ".join(BACKENDS.values())}.')
    if not Path(path).is_file():
        raise DeployError(f'no exported network {path}; tools/export.py writes one.')
    return Card.loads(_READERS[backend](Path(path)), path)


def _from_onnx(path: Path) -> str | None:
    onnx = require('onnx', EXTRA, 'Reading ONNX files')
    decode_error = require('google.protobuf.message', EXTRA, 'Reading ONNX files').DecodeError
    try:
        model = onnx.load(path, load_external_data=False)
    except decode_error as error:
        raise DeployError(f'{path} cannot be read as ONNX: {error}.') from error
    for tensor in _tensors(model):
        if tensor.data_location == tensor.EXTERNAL:
            other = next((entry.value for entry in tensor.external_data if entry.key == 'location'), '')
            raise DeployError(f'{path} is refused: its weights are in another file ({other[:80]!r}), and such a name '
                              'may lead anywhere on this machine; an export of this project holds its weights itself.')
        if problem := _misfit(tensor):
            raise DeployError(f'{path} is refused: its tensor {tensor.name[:80]!r} of shape {list(tensor.dims)[:8]} '
                              f'does not fit the values that the file holds for it ({problem}); export it again.')
    return next((entry.value for entry in model.metadata_props if entry.key == KEY), None)


def _tensors(message: Any) -> Iterator[Any]:
    """All tensors of an ONNX model, wherever in the model they stand."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if hasattr(value, 'add') else [value]:  # repeated fields have it
            if field.message_type.name == 'TensorProto':
                yield part
            yield from _tensors(part)


_LISTS = ('float_data', 'int32_data', 'int64_data', 'uint64_data', 'double_data', 'string_data')


def _misfit(tensor: Any) -> str | None:
    """What is wrong with the size of an ONNX tensor, None for most: OpenVINO 2025.0 reads beyond its values."""
    claimed = math.prod(tensor.dims)
    held = len(tensor.raw_data) or sum(len(getattr(tensor, name)) for name in _LISTS)
    if min(tensor.dims, default=0) < 0 or claimed > 2 * held:  # the smallest values have four bits
        return f'{claimed} values in {held} bytes or numbers'
    try:
        require('onnx.numpy_helper', EXTRA, 'Reading ONNX files').to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        return str(error)
    return None


def _from_xml(path: Path) -> str | None:
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter of odd encodings
        raise DeployError(f"{path} cannot be read as OpenVINO's XML: {error}.") from error
    entry = root.find(f'rt_info/{KEY}')
    return None if entry is None else entry.get('value')


def _from_program(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in archive.namelist() if name.endswith(f'/extra/{KEY}.json')), None)
            if name is None:
                return None
            with archive.open(name) as stream:
                card = stream.read(LONGEST + 1)
            if len(card) > LONGEST:  # a kilobyte of a zip may unpack to gigabytes
                raise ValueError(f'{name} is longer than {LONGEST} bytes')
            return card.decode()
    except Exception as error:  # zipfile raises a dozen kinds
        raise DeployError(f'{path} cannot be read as an ExportedProgram: {error}.') from error


_READERS: dict[str, Callable[[Path], str | None]] = dict(onnx=_from_onnx, openvino=_from_xml, program=_from_program)

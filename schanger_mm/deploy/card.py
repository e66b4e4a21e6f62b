"""What an exported file says about itself."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from schanger_mm.deploy.errors import DeployError
from schanger_mm.optional import require

FORMAT = 1
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
            DeployError: there is no card, or one of another version.
        """
        if not text:
            raise DeployError(f'{path} is no export of this project (it has no {KEY} among its metadata); expected a '
                              'file that tools/export.py wrote.')
        facts = json.loads(text)
        if facts.get('format') != FORMAT:
            raise DeployError(f'{path}: its metadata is of version {facts.get("format")}, expected {FORMAT}; export '
                              'the checkpoint again with this version of schanger_mm, or use the one that wrote it '
                              f'({facts.get("versions", {}).get("schanger_mm")}).')
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
    return next((entry.value for entry in model.metadata_props if entry.key == KEY), None)


def _from_xml(path: Path) -> str | None:
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise DeployError(f"{path} cannot be read as OpenVINO's XML: {error}.") from error
    entry = root.find(f'rt_info/{KEY}')
    return None if entry is None else entry.get('value')


def _from_program(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in archive.namelist() if name.endswith(f'/extra/{KEY}.json')), None)
            return None if name is None else archive.read(name).decode()
    except zipfile.BadZipFile as error:
        raise DeployError(f'{path} cannot be read as an ExportedProgram: {error}.') from error


_READERS: dict[str, Callable[[Path], str | None]] = dict(onnx=_from_onnx, openvino=_from_xml, program=_from_program)

"""The metadata of an exported file."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from schanger_mm.deploy.card_checks import OPTIONAL, wrong_entries
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.onnx_files import read_metadata
from schanger_mm.utils.errors import JsonError, SettingError
from schanger_mm.utils.files import parse_table

FORMAT = 1
LONGEST = 1 << 20
"""Largest size of a card, bytes."""
KEY = 'schanger_mm'
"""Key of the card: in ONNX's metadata, in OpenVINO's rt_info, and, with ``.json``, among a program's extra files."""
WEIGHTS_KEY = f'{KEY}_weights_sha256'
"""Key in OpenVINO's rt_info of the SHA-256 of the ``.bin`` that belongs to an ``.xml``."""
EXTRA = 'export'
"""The extra of this package that installs what writes exports, and OpenVINO."""
BACKENDS = {'onnx': '.onnx', 'openvino': '.xml', 'program': '.pt2'}
"""Suffix of each format; an OpenVINO file has its weights in a ``.bin`` next to it."""


@dataclass(frozen=True)
class Card:
    """The metadata that a program needs to use an exported file.

    Args:
        inputs: names of the inputs: ``before`` and ``after``.
        classes: what 0 and 1 mean.
        mean, std: statistics of each date, one number per band (red, green, blue of three), in 0..255.
        normalisation: ``'inside'``: the file takes 0..255; ``'outside'``: it takes ``(x - mean) / std``.
        threshold: pixels with a probability above it are changed.
        tile: side of the tiles to predict on, px.
        fixed_size: sizes other than ``tile`` are rejected.
        gsd: ground sampling distance of the training images, metres; None: unknown.
        align_corners: how probabilities of this network are resized.
        config: file name of the config.
        checkpoint: file name of the checkpoint.
        checkpoint_sha256: SHA-256 of that file.
        versions: versions of the packages that wrote the file.
        temperature: number by which the file divides its logits; 1 for none.
        format: version of this table.
        semantic_classes: names of the classes of each date that the file also predicts; empty: change only. The card
            of such a file has no entry for them.
        scale: values of the training images that became 0 and 255, as of ``--scale``; None: they were 8-bit.
        bands: bands of their files that were taken, counted from 1; empty: all, or red, green and blue of three. The
            card has entries for these two only where they are set.
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
    temperature: float = 1.0
    format: int = FORMAT
    semantic_classes: tuple[str, ...] = ()
    scale: str | None = None
    bands: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Return the number of bands of each date."""
        return len(self.mean[0])

    def prepare(self, before: np.ndarray, after: np.ndarray) -> list[np.ndarray]:
        """Return both dates, ``(N, C, H, W)`` float32 of 0..255, as the file takes them."""
        images = [before, after]
        if self.normalisation == 'outside':
            mean, std = (np.array(values, np.float32)[:, None, :, None, None] for values in (self.mean, self.std))
            images = [(x - of_date) / spread for x, of_date, spread in zip(images, mean, std)]
        return images

    def dumps(self) -> str:
        """Encode as JSON."""
        facts = dataclasses.asdict(self)
        for key in OPTIONAL:  # so that versions without them read the others
            if not facts[key]:
                del facts[key]
        return json.dumps(facts)

    @classmethod
    def loads(cls, text: str | None, path: str | Path) -> Card:
        """Decode what :meth:`dumps` wrote into the file ``path``.

        Raises:
            DeployError: the card is missing, damaged, or of another version.
        """
        if not text:
            raise DeployError(f'{path} is not an export of this project (it has no {KEY} among its metadata); expected '
                              'a file that `schanger export` wrote.')
        try:
            facts = parse_table(text, f'{path}, its metadata {KEY}')
        except JsonError as error:
            raise DeployError(f'{error} Export the checkpoint again.') from error
        if facts.get('format') != FORMAT:
            versions = facts.get('versions')
            wrote = versions.get('schanger_mm') if isinstance(versions, dict) else None
            raise DeployError(f'{path}: its metadata has version {str(facts.get("format"))[:40]}, expected {FORMAT}; '
                              'export the checkpoint again with this version of schanger_mm, or use the one that wrote '
                              f'it ({str(wrote)[:40]}).')
        if wrong := wrong_entries(facts):
            raise DeployError(f'{path}: its metadata {KEY} is damaged or was changed: {"; ".join(wrong[:3])}. Export '
                              'the checkpoint again.')
        for key in ('mean', 'std'):
            facts[key] = tuple(map(tuple, facts[key]))
        for key in ('inputs', 'classes', 'semantic_classes', 'bands'):
            facts[key] = tuple(facts.get(key, ()))
        return cls(**facts)


def backend_of(path: str | Path) -> str | None:
    """Return the backend for the suffix of a file, None for other files and for addresses."""
    if '://' in str(path):
        return None
    return next((name for name, suffix in BACKENDS.items() if Path(path).suffix.lower() == suffix), None)


def read_card(path: str | Path) -> Card:
    """Read the card of an exported file of any format.

    Raises:
        MissingPackageError: protobuf, which reads ONNX files, is not installed.
        DeployError: the file is missing, damaged, or not an export of this project.
    """
    backend = backend_of(path)
    if backend is None:
        raise DeployError(f'{path}: expected an exported network that ends in {", ".join(BACKENDS.values())}.')
    if not Path(path).is_file():
        raise DeployError(f'no exported network {path}; `schanger export` writes one.')
    return Card.loads(_READERS[backend](Path(path)), path)


def _from_onnx(path: Path) -> str | None:
    return read_metadata(path, KEY)


def weights_of(path: Path) -> str | None:
    """Return the SHA-256 of the ``.bin`` that an ``.xml`` was written with; None where it does not say.

    Raises:
        DeployError: no XML.
    """
    return _runtime_info(path, WEIGHTS_KEY)


def _from_xml(path: Path) -> str | None:
    return _runtime_info(path, KEY)


def _runtime_info(path: Path, key: str) -> str | None:
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: unknown encodings
        raise DeployError(f"{path} cannot be read as OpenVINO's XML: {error}.") from error
    entry = root.find(f'rt_info/{key}')
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
                raise SettingError(f'{name} is longer than {LONGEST} bytes')
            return card.decode()
    except Exception as error:  # zipfile raises many types of errors
        raise DeployError(f'{path} cannot be read as an ExportedProgram: {error}.') from error


_READERS: dict[str, Callable[[Path], str | None]] = dict(onnx=_from_onnx, openvino=_from_xml, program=_from_program)

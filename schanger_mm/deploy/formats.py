"""Write a traced network as ONNX, OpenVINO or ExportedProgram."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from schanger_mm.deploy.backends import convert_onnx
from schanger_mm.deploy.card import EXTRA, KEY, WEIGHTS_KEY, Card
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.runtime import Runtime
from schanger_mm.utils.files import sha256_of
from schanger_mm.utils.optional import require

OUTPUT = 'probability'
CLASS_OUTPUTS = ('classes_before', 'classes_after')
"""Names of the outputs of a network with classes: their probabilities at each date."""
DIMS = {0: 'batch', 2: 'height', 3: 'width'}
"""Names of the dynamic dimensions."""


def write_onnx(program: torch.export.ExportedProgram, path: Path, card: Card) -> None:
    """Write ONNX.

    Args:
        program: the traced network.
        path: file to write, ``.onnx``.
        card: written to the metadata.

    Raises:
        ImportError: onnx or onnxscript is not installed.
        DeployError: ONNX has no operator for a part of the network.
    """
    onnx = require('onnx', EXTRA, 'Exporting to ONNX')
    require('onnxscript', EXTRA, 'Exporting to ONNX')
    try:
        with quiet():
            model = torch.onnx.export(program, dynamo=True, input_names=card.inputs,
                                      output_names=[OUTPUT, *(CLASS_OUTPUTS if card.semantic_classes else ())],
                                      verbose=False).model_proto
    except RuntimeError as error:
        part = re.search(r'call_function\[target=torch\.ops\.aten\.(\w+)', _chain(error))
        raise DeployError(
            f'{path.name}: torch.onnx cannot write this network for images of any size (it stops at '
            f'{part[1] if part else type(error).__name__}; pooling to a fixed grid, as UPerHead and PSPHead do, is one '
            'such operator). Use --format program, or another head.') from error
    _tidy(model)
    onnx.helper.set_model_props(model, {KEY: card.dumps()})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _chain(error: BaseException | None) -> str:
    """Return the texts of an error and of those that caused it."""
    return '' if error is None else f'{error}\n{_chain(error.__cause__)}'


def write_openvino(onnx_file: Path, path: Path, card: Card) -> None:
    """Write OpenVINO's intermediate representation in float32: ``.xml``, and ``.bin`` next to it.

    It is converted from the ONNX file: that takes a second, from the ExportedProgram half a minute.

    Raises:
        ImportError: openvino is not installed.
    """
    openvino = require('openvino', EXTRA, 'Exporting to OpenVINO')
    model = convert_onnx(onnx_file)
    model.set_rt_info(card.dumps(), [KEY])
    openvino.save_model(model, path, compress_to_fp16=False)
    # again, now that the weights are known: an .xml next to the .bin of another export must be detected
    model.set_rt_info(sha256_of(path.with_suffix('.bin')), [WEIGHTS_KEY])
    openvino.save_model(model, path, compress_to_fp16=False)


def write_program(program: torch.export.ExportedProgram, path: Path, card: Card) -> None:
    """Write PyTorch's ExportedProgram, ``.pt2``."""
    with quiet():
        torch.export.save(program, path, extra_files={f'{KEY}.json': card.dumps()})


class ProgramRuntime(Runtime):
    """A program that was just written, run from memory because files of PyTorch run code when they are loaded.

    Args:
        path: the file, from which the card is read.
        program: what was written to it.
    """

    program = 'PyTorch'

    def __init__(self, path: str | Path, program: torch.export.ExportedProgram):
        super().__init__(path)
        self._module = program.module()

    @torch.inference_mode()
    def _run(self, images: list[np.ndarray]) -> list[np.ndarray]:
        found = self._module(*map(torch.from_numpy, images))
        return [one.numpy() for one in ([found] if isinstance(found, torch.Tensor) else found)]


def _tidy(model: Any) -> None:
    """Name the dimensions, and remove what the exporter records about our source."""
    graph = model.graph
    model.doc_string = graph.doc_string = ''
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    for node in graph.node:
        node.doc_string = ''
    del graph.value_info[:]  # shapes in the tracer's symbols; every backend infers them
    for value in (*graph.input, *graph.output):
        for index, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField('dim_value'):
                dim.dim_param = DIMS[index]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence torch's messages about operators of packages that are not used here, and about itself."""
    loggers = [logging.getLogger(f'torch.{name}') for name in ('onnx', 'export', '_export')]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)

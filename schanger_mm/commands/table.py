"""The commands by name: the script that runs each from a checkout, one line of help, an example, and the module."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

PROGRAM = 'schanger'
"""Name of the console script."""


class Entry(NamedTuple):
    """A command."""

    script: str | None
    """Path below ``tools/``, without suffix; None if only :data:`PROGRAM` runs it."""
    help: str
    example: str
    """Its arguments, as a user could type them."""


GROUPS = {
    'Train and score': {
        'train': Entry('train', 'train a model from a config', 'levir'),
        'test': Entry('test', 'score a checkpoint on the test split of a config',
                      'levir work_dirs/levir/best_changed_F1_iter_3000.pth'),
        'demo': Entry('demo', 'train and show a small model on drawn scenes; needs no data', '--out demo_out'),
        'study': Entry('study', 'measure how many labels pre-training saves, on drawn scenes', '--jobs 2'),
        'compare': Entry('compare', 'compare starts and methods on your pairs, few of them labelled',
                         '--train data/my_city/train --val data/my_city/val --arms scratch supervised:10'),
    },
    'Predict and deploy': {
        'predict': Entry('predict', 'find the changes between two rasters', 'levir-base 2019.tif 2023.tif --out out'),
        'export': Entry('export', 'write a detector as ONNX, OpenVINO or ExportedProgram',
                        'levir best.pth --format onnx --out levir.onnx'),
    },
    'Your data': {
        'config new': Entry(None, 'write a config for your own pairs', '--data data/my_city'),
        'config show': Entry('analysis_tools/print_config', 'print a config with everything it inherits', 'levir'),
        'verify': Entry('dataset_tools/verify', 'check a data set after unpacking', 'data/my_city'),
        'stats': Entry('dataset_tools/stats', 'compute mean and standard deviation for data_preprocessor',
                       'data/my_city'),
        'browse': Entry('browse_dataset', 'draw the samples that training sees', 'my_city.py --sheet'),
        'split': Entry('dataset_tools/split', 'write split lists, or nested subsets with few labels',
                       'data/my_city/A --val 0.1 --test 0.2 --out data/my_city/splits'),
        'tile': Entry('dataset_tools/tile', 'cut images into tiles', 'data/LEVIR-CD data/LEVIR-CD-256'),
        'from-rasters': Entry('dataset_tools/from_rasters', 'cut two rasters and polygons of changes into training '
                              'tiles', '2019.tif 2023.tif new.gpkg --out data/my_city'),
        'correct': Entry('dataset_tools/correct', 'cut the checked polygons of a change map into training tiles',
                         'changes/change.gpkg 2019.tif 2023.tif --out corrections'),
        'foreground': Entry('dataset_tools/foreground', 'list the masks with enough foreground',
                            'data/my_city/label --least 0.1 --out list.txt'),
    },
    'Weights': {
        'fetch': Entry('model_converters/fetch_published', 'fetch and convert published weights', 'levir base'),
        'convert': Entry('model_converters/schanger2mm', 'convert a published SChanger checkpoint to ours, or back',
                         'theirs.pth ours.pth'),
        'transfer': Entry('model_converters/sadl2det', 'make initial weights of a detector from a pre-training',
                          'sadl.pth fpn-cd_r18_levir_sadl initial.pth'),
        'to-safetensors': Entry('model_converters/to_safetensors', 'write plain weights from any checkpoint',
                                'best.pth best.safetensors'),
        'publish': Entry('misc/publish_model', 'write weights for publication, with a card that describes them',
                         'best.pth published/my_city'),
    },
    'Analyse': {
        'curves': Entry('analysis_tools/analyze_logs', 'draw the curves of one or several runs', 'work_dirs/levir'),
        'area': Entry('analysis_tools/area', 'estimate changed areas with their uncertainty from checked points',
                      'out/change.gpkg --draw 200'),
        'thresholds': Entry('analysis_tools/confusion', 'sweep the threshold of a checkpoint', 'levir best.pth'),
        'flops': Entry('analysis_tools/get_flops', 'count the parameters and operations of a network', 'levir'),
        'benchmark': Entry('benchmark', 'compare the time and memory of a network in its variants',
                           '--arch base --sizes 256 1024'),
        'benchmark-dataset': Entry('benchmark_dataset', 'time the training pipeline of a config', 'levir'),
        'benchmark-scene': Entry('benchmark_scene', 'time a whole scene against the bare network',
                                 'best.pth 2019.tif 2023.tif'),
        'benchmark-startup': Entry('benchmark_startup', 'time --help of every command and the first import',
                                   '--rounds 5'),
    },
    'Shell': {
        'completion': Entry(None, 'print a script by which the shell completes commands and options', 'bash'),
    },
}
"""Commands by name, by group. Names of two words share the first one."""
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}
"""By subcommand."""
SCRIPTS = {name: entry.script for name, entry in COMMANDS.items() if entry.script is not None}
"""The scripts below ``tools/``, by subcommand."""


def module_of(name: str) -> str:
    """Return the full name of a command's module."""
    return f'schanger_mm.commands.{name.replace("-", "_").replace(" ", "_")}'


def named_by_script(word: str) -> str | None:
    """Return the command that a script of ``tools/`` runs, by the script's name or path, with or without ``.py``."""
    stem = PurePosixPath(word).with_suffix('').name if word else ''
    return next((name for name, script in SCRIPTS.items() if PurePosixPath(script).name == stem), None)

"""The drawn scenes as data sets."""

from schanger_mm.datasets.benchmarks import BenchmarkDataset, Split
from schanger_mm.datasets.semantic import SemanticBenchmark
from schanger_mm.registry import DATASETS

SPLITS = {name: Split(name) for name in ('train', 'val', 'test')}


@DATASETS.register_module()
class DemoDataset(BenchmarkDataset):
    """Pairs that ``write_demo_set`` draws; ``split`` is 'train', 'val' or 'test'."""

    NAME = 'the drawn scenes'
    SPLITS = SPLITS
    LAYOUT = 'DIR/{train,val,test}/{A,B,label}/*.png'
    DOWNLOAD_HINT = 'schanger demo draws it'


@DATASETS.register_module()
class DemoSemanticDataset(SemanticBenchmark):
    """Pairs that ``write_demo_set`` draws, with the buildings of both dates; changes are where they differ."""

    NAME = 'the drawn scenes'
    FOLDERS = ('A', 'B', 'label_a', 'label_b')
    SPLITS = SPLITS
    CLASSES = {'other': 0, 'building': 255}
    NO_CHANGE = None
    LAYOUT = 'DIR/{train,val,test}/{A,B,label_a,label_b}/*.png'
    DOWNLOAD_HINT = 'schanger demo draws it'

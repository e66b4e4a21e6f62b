"""The drawn scenes as a data set."""

from schanger_mm.datasets.benchmarks import BenchmarkDataset, Split
from schanger_mm.registry import DATASETS


@DATASETS.register_module()
class DemoDataset(BenchmarkDataset):
    """Pairs that ``write_demo_set`` draws; ``split`` is 'train', 'val' or 'test'."""

    NAME = 'the drawn scenes'
    SPLITS = {name: Split(name) for name in ('train', 'val', 'test')}
    LAYOUT = 'DIR/{train,val,test}/{A,B,label}/*.png'
    DOWNLOAD_HINT = 'schanger demo draws it'

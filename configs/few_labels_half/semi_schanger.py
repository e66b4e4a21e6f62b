# SChanger-small on few labelled pairs and many without labels, at half resolution:
#   python tools/compare.py --configs configs/few_labels_half --train DIR --val DIR --arms scratch-semi:6
_base_ = '../few_labels/semi_schanger.py'

model = dict(backbone=dict(stride=2))
data_preprocessor = dict(size_divisor=32)

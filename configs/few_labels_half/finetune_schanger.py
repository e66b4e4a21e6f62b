# SChanger-small on few labelled pairs, at half resolution:
#   python tools/compare.py --configs configs/few_labels_half --train DIR --val DIR --arms scratch
_base_ = '../few_labels/finetune_schanger.py'

model = dict(backbone=dict(stride=2))
data_preprocessor = dict(size_divisor=32)

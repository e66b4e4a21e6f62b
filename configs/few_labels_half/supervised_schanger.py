# SChanger-small on single images with masks, at half resolution:
#   python tools/compare.py --configs configs/few_labels_half --train DIR --val DIR --images DIR --masks DIR \
#       --arms supervised
_base_ = '../few_labels/supervised_schanger.py'

model = dict(backbone=dict(stride=2))
data_preprocessor = dict(size_divisor=32)

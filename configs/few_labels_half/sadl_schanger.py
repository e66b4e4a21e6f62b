# SChanger-small on single images with masks, by SaDL, at half resolution:
#   python tools/compare.py --configs configs/few_labels_half --train DIR --val DIR --images DIR --masks DIR \
#       --arms sadl
_base_ = '../few_labels/sadl_schanger.py'

model = dict(backbone=dict(stride=2))

# semi_schanger.py at half resolution, for an hour on a CPU:
#   python tools/compare.py --train DIR --val DIR --arms scratch-half-semi:6
#   python tools/train.py configs/few_labels/semi_schanger_half.py      (alone, on data/custom)
_base_ = './semi_schanger.py'

model = dict(backbone=dict(stride=2))
data_preprocessor = dict(size_divisor=32)

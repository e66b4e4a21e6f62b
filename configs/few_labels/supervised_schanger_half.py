# supervised_schanger.py at half resolution, for an hour on a CPU:
#   python tools/compare.py --train DIR --val DIR --images DIR --masks DIR --arms supervised-half
#   python tools/train.py configs/few_labels/supervised_schanger_half.py      (alone, on data/custom)
_base_ = './supervised_schanger.py'

model = dict(backbone=dict(stride=2))
data_preprocessor = dict(size_divisor=32)

# sadl_schanger.py at half resolution, for an hour on a CPU:
#   python tools/compare.py --train DIR --val DIR --images DIR --masks DIR --arms sadl-half
#   python tools/train.py configs/few_labels/sadl_schanger_half.py      (alone, on data/custom)
_base_ = './sadl_schanger.py'

model = dict(backbone=dict(stride=2))

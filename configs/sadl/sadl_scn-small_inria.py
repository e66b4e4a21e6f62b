# The same for SChanger-small.
#   python tools/train.py configs/sadl/sadl_scn-small_inria.py
#   python tools/model_converters/sadl2det.py work_dirs/sadl_scn-small_inria/epoch_200.pth \
#       configs/schanger/levir_small.py
_base_ = './sadl_scn-base_inria.py'

model = dict(backbone=dict(arch='small'), neck=dict(arch='small'), projector=dict(in_channels=8))

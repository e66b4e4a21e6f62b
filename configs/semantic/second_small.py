# SChanger-small on SECOND: change, and the classes of both dates.
#   python tools/train.py configs/semantic/second_small.py
# Needs data/SECOND and pre-trained weights (configs/schanger/pretrain_inria_small.py).
_base_ = './second.py'

model = dict(backbone=dict(arch='small'), decode_head=dict(arch='small'))
load_from = 'work_dirs/pretrain_inria_small/iter_1124000.pth'

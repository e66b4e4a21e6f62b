# SChanger-small on LEVIR-CD+, the paper's settings:
#   python tools/train.py configs/schanger/levir_plus_small.py
# Needs data/LEVIR-CD+ and pre-trained weights (configs/schanger/pretrain_inria_small.py).
_base_ = './levir_plus.py'

model = dict(backbone=dict(arch='small'), decode_head=dict(arch='small'))
load_from = 'work_dirs/pretrain_inria_small/iter_1124000.pth'

# The control with SChanger-base on WHU-CD cut to 256 px.
#   python tools/train.py configs/semi/supervised_schanger-base_whu256.py
_base_ = './supervised_schanger-small_whu256.py'

model = dict(backbone=dict(arch='base'), decode_head=dict(arch='base'))
load_from = 'work_dirs/pretrain_inria/iter_1124000.pth'

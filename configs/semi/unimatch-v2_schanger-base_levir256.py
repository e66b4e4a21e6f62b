# UniMatch V2 around SChanger-base on LEVIR-CD cut to 256 px.
#   python tools/train.py configs/semi/unimatch-v2_schanger-base_levir256.py
_base_ = './unimatch-v2_schanger-small_levir256.py'

model = dict(backbone=dict(arch='base'), decode_head=dict(arch='base'))
load_from = 'work_dirs/pretrain_inria/iter_1124000.pth'

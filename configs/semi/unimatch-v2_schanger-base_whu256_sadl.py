# UniMatch V2 around SChanger-base on WHU-CD cut to 256 px, from SaDL: configs/sadl/sadl_scn-base_inria.py, then
# tools/model_converters/sadl2det.py.
#   python tools/train.py configs/semi/unimatch-v2_schanger-base_whu256_sadl.py
_base_ = './unimatch-v2_schanger-small_whu256_sadl.py'

model = dict(backbone=dict(arch='base'), decode_head=dict(arch='base'))
load_from = 'work_dirs/sadl_scn-base_inria/epoch_200_det.pth'

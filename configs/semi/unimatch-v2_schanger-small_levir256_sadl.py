# The same from SaDL pre-training: configs/sadl/sadl_scn-small_inria.py, then tools/model_converters/sadl2det.py.
#   python tools/train.py configs/semi/unimatch-v2_schanger-small_levir256_sadl.py
_base_ = './unimatch-v2_schanger-small_levir256.py'

load_from = 'work_dirs/sadl_scn-small_inria/epoch_200_det.pth'
# SaDL trains no side convolutions and no fusions
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', memory=1.0, momentum=4e-3, interval=1, update_buffers=True),
    dict(type='LoadReportHook', expected_new=['decode_head']),
]

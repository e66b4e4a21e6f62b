# The same from SaDL: sadl_r18-fpn_inria.py, then tools/model_converters/sadl2det.py.
#   python tools/train.py configs/sadl/fpn-cd_r18_gz_sadl.py
_base_ = './fpn-cd_r18_gz.py'

load_from = 'work_dirs/sadl_r18-fpn_inria/epoch_200_det.pth'
custom_hooks = [dict(type='LoadReportHook', expected_new=['decode_head'])]

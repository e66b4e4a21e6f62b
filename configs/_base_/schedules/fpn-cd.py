# AdamW, warm-up and polynomial decay, for detectors for which the papers give no schedule.
optim_wrapper = dict(
    type='AmpOptimWrapper',  # float32 where there is no GPU
    loss_scale='dynamic',
    constructor='MergedGroupsConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-2),
    paramwise_cfg=dict(flat_decay_mult=0.0))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40_000, val_interval=2_000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=1_000),
    dict(type='PolyLR', power=0.9, eta_min=1e-6, by_epoch=False, begin=1_000, end=40_000),
]
default_hooks = dict(
    runtime_info=dict(type='LazyRuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='AtomicCheckpointHook', by_epoch=False, interval=2_000, max_keep_ckpts=2, save_best='changed/F1',
        rule='greater'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    exact_resume=dict(type='ExactResumeHook'),
    bad_loss=dict(type='BadLossHook', on_nan='stop', max_in_row=10, max_skipped=100),
    stop_signal=dict(type='StopSignalHook'),
    visualization=dict(type='ChangeVisualizationHook'))

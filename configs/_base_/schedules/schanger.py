# AdamW, linear warm-up and cosine decay per iteration; each config sets the lengths.
optim_wrapper = dict(
    type='AmpOptimWrapper',  # float32 where there is no GPU
    loss_scale='dynamic',
    constructor='MergedGroupsConstructor',
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=2e-4),
    paramwise_cfg=dict(flat_decay_mult=0.0))  # no weight decay on biases, norms and layer scales
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    runtime_info=dict(type='LazyRuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    exact_resume=dict(type='ExactResumeHook'),
    bad_loss=dict(type='BadLossHook', on_nan='stop', max_in_row=10, max_skipped=100),
    stop_signal=dict(type='StopSignalHook'),
    visualization=dict(type='ChangeVisualizationHook'))

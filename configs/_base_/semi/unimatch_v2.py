# UniMatch V2 (arXiv 2410.10777): (L_x + (L_s1 + L_s2) / 2) / 2. CutMix from the same pairs in reverse order,
# complementary dropout of the features in which the dates are fused. For any detector of this package or of mmseg.
semi = dict(
    type='UniMatch',
    threshold=0.95,
    partner='reversed',
    strong_weight=0.5,
    feature_weight=0.0,
    complementary=True,
    teacher='self')  # 'ema': pseudo-labels by the average of EMAHook

"""Words for numbers on the page."""

from __future__ import annotations


def format_area(value: float, unit: str) -> str:
    """Word an area: m2 up to a hectare, then hectares, from 10 km2 on square kilometres; or px."""
    if unit == 'px':
        return f'{value:,.0f} px'
    if value < 1e4:
        return f'{value:,.0f} m²' if value >= 10 else f'{value:.2g} m²'
    return f'{value / 1e4:,.2f} ha' if value < 1e7 else f'{value / 1e6:,.1f} km²'

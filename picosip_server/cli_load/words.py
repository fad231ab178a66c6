"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_BARS = "▁▂▃▄▅▆▇█"


def time_text(seconds: float) -> str:
    """Three digits and a unit: ``820 us``, ``1.24 ms``, ``12.3 s``."""
    if seconds == 0:
        return "0 ms"
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.3g} us"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


def rate_text(rate: float) -> str:
    """So many in a second: ``99.8/s``."""
    return f"{rate:,.0f}/s" if rate >= 1000 else f"{rate:.4g}/s"


def span_text(seconds: float) -> str:
    """How long something takes: ``12.3 s``, ``4:05``, ``1:00:00``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counts_text(counts: Mapping[str, int] | Mapping[int, int], most: int = 8) -> str:
    """``200: 1,000  486: 3``: the most frequent ones."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    text = "  ".join(f"{name}: {number:,}" for name, number in ordered[:most])
    return f"{text}  ..." if len(ordered) > most else text


def sparkline(values: Sequence[float], width: int) -> str:
    """The newest ``width`` values as bars, from zero to the highest of them."""
    shown = values[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(int(value / top * 8), 7)] for value in shown)

"""Geometry of the charts: numbers of the model -> coordinates that the SVG macros draw.

Units are SVG user units (1 = 1 pt at the printed width). What does not belong here: colours and marks
(``templates/report/charts.html.j2``).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 468.0
"""Width of the text column: 165 mm in points."""


def ticks(peak: float, count: int = 4) -> list[int]:
    """Round axis marks from 0 up to at least ``peak``."""
    if peak <= 0:
        return [0, 1]
    raw = max(peak / count, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(
        int(factor * power) for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw and factor * power == int(factor * power)
    )
    return [step * n for n in range(math.ceil(peak / step) + 1)]


MARKS = ("", "", "", "diagonal", "across", "upright", "back", "grid")
"""How the n-th series is marked besides its shade: lines that also tell it apart in black and white."""


def hatch(kind: str, x: float, y: float, w: float, h: float, gap: float = 2.6) -> str:
    """An SVG path of lines inside a rectangle; empty for an unmarked series."""
    lines: list[tuple[float, float, float, float]] = []
    if kind in ("across", "grid"):
        lines += [(x, y + n * gap, x + w, y + n * gap) for n in range(1, math.ceil(h / gap))]
    if kind in ("upright", "grid"):
        lines += [(x + n * gap, y, x + n * gap, y + h) for n in range(1, math.ceil(w / gap))]
    if kind in ("diagonal", "back"):
        for n in range(1, math.ceil((w + h) / gap)):
            reach = n * gap
            left, right = max(0.0, reach - h), min(reach, w)
            ends = (left, reach - left, right, reach - right)
            lines.append(
                (x + ends[0], y + ends[1], x + ends[2], y + ends[3])
                if kind == "diagonal"
                else (x + w - ends[0], y + ends[1], x + w - ends[2], y + ends[3])
            )
    return " ".join(f"M{a:.2f},{b:.2f} L{c:.2f},{d:.2f}" for a, b, c, d in lines)


def bars(chart: Mapping[str, Any], *, height: float = 165.0, left: float = 34.0, below: float = 16.0) -> dict[str, Any]:
    """Stacked bars: rectangles from the axis up in series order, one a day."""
    labels: Sequence[str] = chart["x"]
    series: Sequence[Mapping[str, Any]] = chart["series"]
    totals = [sum(entry["values"][place] for entry in series) for place in range(len(labels))]
    marks = ticks(max(totals, default=0))
    top, plot = 6.0, height - below - 6.0
    step = (WIDTH - left) / max(len(labels), 1)
    scale = plot / marks[-1]
    rectangles = []
    for place in range(len(labels)):
        base = top + plot
        for number, entry in enumerate(series):
            tall = entry["values"][place] * scale
            base -= tall
            if tall > 0:
                x = left + place * step + step * 0.14
                box = {"x": round(x, 2), "y": round(base, 2), "w": round(step * 0.72, 2), "h": round(tall, 2)}
                rectangles.append({**box, "series": number, "hatch": hatch(MARKS[number % len(MARKS)], **box)})
    return {
        "width": WIDTH,
        "height": height,
        "left": left,
        "base": round(top + plot, 2),
        "rectangles": rectangles,
        "marks": [{"y": round(top + plot - mark * scale, 2), "value": mark} for mark in marks],
        "labels": [
            {"x": round(left + (place + 0.5) * step, 2), "text": str(int(label[-2:]))} for place, label in enumerate(labels)
        ],
        "keys": [hatch(mark, 0, 0, 16, 9) for mark in MARKS],
        "peak": max(totals, default=0),
        "peak_day": labels[totals.index(max(totals))] if totals else "",
    }


def heat(chart: Mapping[str, Any], *, left: float = 58.0, cell: float = 15.0, top: float = 13.0) -> dict[str, Any]:
    """A grid of 7 rows and 24 columns; shade 0 to 1 by the square root of the share of the largest."""
    values: Sequence[Sequence[float]] = chart["values"]
    peak = max((value for row in values for value in row), default=0)
    step = (WIDTH - left) / max(len(chart["x"]), 1)
    cells = []
    for line, row in enumerate(values):
        for place, value in enumerate(row):
            shade = math.sqrt(value / peak) if peak else 0.0
            cells.append({"x": round(left + place * step, 2), "y": round(top + line * cell, 2), "shade": round(shade, 3)})
    return {
        "width": WIDTH,
        "height": top + cell * len(values),
        "w": round(step - 1.2, 2),
        "h": cell - 1.2,
        "cells": cells,
        "columns": [{"x": round(left + (place + 0.5) * step - 0.6, 2), "text": text} for place, text in enumerate(chart["x"])],
        "rows": [{"y": round(top + line * cell + cell * 0.62, 2), "text": text} for line, text in enumerate(chart["y"])],
        "peak": peak,
    }


def trend(chart: Mapping[str, Any], *, height: float = 74.0, left: float = 34.0, below: float = 16.0) -> dict[str, Any]:
    """One line over months, its points and their labels."""
    values: Sequence[float] = [value or 0 for value in chart["values"]]
    marks = ticks(max(values, default=0), 2)
    top, plot = 6.0, height - below - 6.0
    step = (WIDTH - left) / max(len(values), 1)
    scale = plot / marks[-1]
    points = [
        {"x": round(left + (place + 0.5) * step, 2), "y": round(top + plot - value * scale, 2), "value": value, "label": label}
        for place, (value, label) in enumerate(zip(values, chart["x"], strict=True))
    ]
    return {
        "width": WIDTH,
        "height": height,
        "left": left,
        "base": round(top + plot, 2),
        "points": points,
        "marks": [{"y": round(top + plot - mark * scale, 2), "value": mark} for mark in marks],
        "line": " ".join(f"{point['x']},{point['y']}" for point in points),
    }

"""Charts as inline SVG, without scripts. Each function returns the element as text; numbers stand beside the marks, and
`<title>` elements show them in full."""

import html
import math

ROW, LABEL, PLOT, MARGIN = 22, 190, 520, 90
INK, GRID = "#1f2937", "#d6d3d1"
COLORS = {
    "tenon": "#c2410c",
    "onnxruntime": "#475569",
    "openvino": "#0e7490",
    "openvino_dynamic": "#67a9b8",
    "litert": "#a16207",
    "mnn": "#7e57c2",
}
OTHER_COLOR = "#a3a3a3"
FASTER, SLOWER = "#15803d", "#b91c1c"


def color(peer: str) -> str:
    return COLORS.get(peer, OTHER_COLOR)


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'>{html.escape(words)}</text>"


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = GRID) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{stroke}'/>"


def bar(x: float, y: float, width: float, height: float, fill: str, title: str) -> str:
    return (
        f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(width, 0):.1f}' height='{height:.1f}' fill='{fill}'>"
        f"<title>{html.escape(title)}</title></rect>"
    )


def svg(width: float, height: float, parts: list[str]) -> str:
    return f"<svg viewBox='0 0 {width:.0f} {height:.0f}' width='{width:.0f}' role='img'>{''.join(parts)}</svg>"


def legend(names: list[str]) -> str:
    boxes = (f"<span class='key'><i style='background:{color(n)}'></i>{html.escape(n)}</span>" for n in names)
    return f"<p>{''.join(boxes)}</p>"


TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10)


def speedups(table: dict[str, dict[str, float]]) -> str:
    """A row for each model: how many times faster Tenon is than each peer (dots), and than the fastest (bar from 1).
    `table`: model -> peer or `best` -> Tenon's time over the peer's."""
    factors = {name: {peer: 1 / ratio for peer, ratio in row.items()} for name, row in table.items()}
    values = [value for row in factors.values() for value in row.values()]
    low, high = min([*values, 0.9]) * 0.97, min(max([*values, 1.3]) * 1.05, 10)
    scale = PLOT / math.log(high / low)

    def place(value: float) -> float:
        return LABEL + scale * math.log(min(max(value, low), high) / low)

    bottom = ROW * len(factors) + 4
    parts = [
        line(place(t), 0, place(t), bottom) + text(place(t), bottom + 14, f"{t:g}", "middle")
        for t in spread(place, [t for t in TICKS if low <= t <= high])
    ]
    parts.append(line(place(1), 0, place(1), bottom, INK))
    for i, (name, row) in enumerate(factors.items()):
        y, best = ROW * i + 4, row["best"]
        left, right = sorted((place(1), place(best)))
        title = f"{name}: {best:.3f} times as fast as the fastest peer"
        parts.append(text(LABEL - 10, y + 12, name, "end"))
        parts.append(bar(left, y + 2, right - left, ROW - 10, FASTER if best >= 1 else SLOWER, title))
        for peer, value in row.items():
            if peer != "best":
                parts.append(
                    f"<circle cx='{place(value):.1f}' cy='{y + 8:.1f}' r='4' fill='{color(peer)}' stroke='white'>"
                    f"<title>{html.escape(f'{name}: {value:.3f} times as fast as {peer}')}</title></circle>"
                )
        parts.append(text(LABEL + PLOT + 12, y + 12, f"{best:.2f}x"))
    return svg(LABEL + PLOT + MARGIN, bottom + 20, parts)


def spread(place, ticks: list[float]) -> list[float]:
    """The ticks that have room for their numbers; 1 always."""
    kept: list[float] = []
    for tick in sorted(ticks, key=lambda t: (t != 1, t)):
        if all(abs(place(tick) - place(other)) > 28 for other in kept):
            kept.append(tick)
    return kept


def bars(groups: dict[str, dict[str, float | None]], unit: str, limits: dict[str, float] | None = None) -> str:
    """A group of bars for each key, a bar for each series, on one scale of logarithms. `limits`: a mark in a group."""
    values = [v for series in groups.values() for v in series.values() if v]
    if not values:
        return "<p>nothing measured</p>"
    low, high = 10 ** math.floor(math.log10(min(values))), max(values)
    scale = PLOT / math.log(high / low if high > low else 10)
    parts, y = [], 4.0
    for name, series in groups.items():
        parts.append(text(LABEL - 10, y + 11, name, "end"))
        top = y
        for peer, value in series.items():
            if value:
                width = scale * math.log(value / low)
                parts.append(bar(LABEL, y, max(width, 1), 12, color(peer), f"{name}, {peer}: {value:.4g} {unit}"))
                parts.append(text(LABEL + width + 6, y + 11, f"{value:.3g}"))
                y += 15
        if limits and name in limits:
            x = LABEL + scale * math.log(limits[name] / low)
            parts.append(line(x, top - 3, x, y, SLOWER))
        y = max(y, top + 15) + 7
    return svg(LABEL + PLOT + MARGIN, y, parts)


def spark(name: str, lines: dict[str, list[tuple[str, float]]]) -> str:
    """One small chart: for each series its (label, value) points from the oldest to the newest, with a line at 1."""
    width, height, side = 250, 96, 34
    values = [value for points in lines.values() for _, value in points]
    low, high = min([*values, 1]), max([*values, 1])
    room = max(high - low, 0.05)

    def at(i: int, count: int, value: float) -> tuple[float, float]:
        x = side + (width - 2 * side) * (i / (count - 1) if count > 1 else 1)
        return x, 80 - 56 * (value - low) / room

    parts = [text(4, 13, name)]
    one = at(0, 2, 1)[1]
    parts += [line(side, one, width - side, one, INK), text(side - 4, one + 4, "1", "end")]
    for (_, points), stroke in zip(lines.items(), (COLORS["tenon"], COLORS["openvino"], COLORS["mnn"]), strict=False):
        places = [at(i, len(points), value) for i, (_, value) in enumerate(points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{stroke}' stroke-width='1.5'/>")
        for (x, y), (label, value) in zip(places, points, strict=True):
            parts.append(
                f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5' fill='{stroke}'>"
                f"<title>{html.escape(f'{label}: {value:.3f}')}</title></circle>"
            )
        parts.append(text(places[-1][0] + 5, places[-1][1] + 4, f"{points[-1][1]:.2f}"))
    return svg(width, height, parts)

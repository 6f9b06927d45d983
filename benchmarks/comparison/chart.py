"""A bar chart as plain SVG that reads on light and on dark pages."""

from __future__ import annotations

from html import escape

WIDTH, LABELS, VALUES, BAR, GAP, TOP = 720, 130, 90, 18, 8, 40
OWN, OTHER = "#0b7285", "#adb5bd"

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #343a40 }
.title { font-weight: 600; font-size: 15px }
@media (prefers-color-scheme: dark) { text { fill: #dee2e6 } }
"""


def bars(title: str, values: dict[str, float], own: list[str], form: str) -> str:
    """Return the drawing: one horizontal bar for each value, in the given order.

    Args:
        title: above the bars.
        values: by label.
        own: the labels whose bars stand out.
        form: how a value is written beside its bar.
    """
    height = TOP + len(values) * (BAR + GAP)
    scale = (WIDTH - LABELS - VALUES) / max(values.values())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="20">{escape(title)}</text>',
    ]
    for row, (label, value) in enumerate(values.items()):
        top, length = TOP + row * (BAR + GAP), max(value * scale, 1)
        middle = top + BAR - 4
        colour = OWN if label in own else OTHER
        lines += [
            f'<text x="{LABELS - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABELS}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2" fill="{colour}"/>',
            f'<text x="{LABELS + length + 6:.1f}" y="{middle}">{format(value, form)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])

"""Draw a topology as SVG: active and standby differ in fill, border and word, never in colour alone."""

from __future__ import annotations

from html import escape

from hastore.display.topology import ROWS, Box, Link, Machine, Mood, Topology
from hastore.model.values import value

COLUMN = 380
GAP = 90
MARGIN = 24
BOX_HEIGHT = 62
ROW_GAP = 16
HEAD = 54
LINE = 15

_FILL: dict[Mood, str] = {
    "active": "#0b6e4f",
    "standby": "#e6f0fa",
    "wrong": "#fdecea",
    "unknown": "#f3f3f3",
    "idle": "#ffffff",
}
_EDGE: dict[Mood, str] = {
    "active": "#084c37",
    "standby": "#3d6fa5",
    "wrong": "#b3261e",
    "unknown": "#888888",
    "idle": "#b8c0c8",
}
_INK: dict[Mood, str] = {
    "active": "#ffffff",
    "standby": "#1c3d5f",
    "wrong": "#7a1510",
    "unknown": "#555555",
    "idle": "#3b444c",
}
_MARK: dict[Mood, str] = {"active": "●", "standby": "○", "wrong": "✖", "unknown": "?", "idle": "·"}
_DASH: dict[Mood, str] = {"active": "", "standby": "6 4", "wrong": "", "unknown": "2 4", "idle": "2 4"}


@value
class _Place:
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


def draw(topology: Topology) -> str:
    """Return the picture as one SVG document of text, readable without scripts or fonts of its own."""
    return _Drawing(topology).document()


class _Drawing:
    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        columns = max(len(topology.nodes), len(topology.clients), 1)
        self.width = 2 * MARGIN + columns * COLUMN + (columns - 1) * GAP
        self.places: dict[str, _Place] = {}
        self.shapes: list[str] = []
        self.lines: list[str] = []

    def document(self) -> str:
        y = float(MARGIN + 26)
        if self.topology.clients:
            y = self.machines(self.topology.clients, ("client",), y) + 56
        y = self.machines(self.topology.nodes, ROWS, y) + 24
        for link in self.topology.links:
            self.link(link)
        for trouble in self.topology.troubles:
            self.shapes.append(_text(MARGIN, y, f"✖ {trouble}", "#7a1510", 13, bold=True))
            y += 20
        y = self.legend(y + 6)
        title = _text(MARGIN, MARGIN + 8, "storage topology", "#3b444c", 15, bold=True)
        height = y + MARGIN
        body = "\n".join([title, *self.shapes, *self.lines])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height:.0f}" width="{self.width}" '
            f'height="{height:.0f}" role="img" font-family="system-ui, sans-serif">\n'
            f'<title>storage topology</title>\n<rect width="100%" height="100%" fill="#fbfcfd"/>\n{body}\n</svg>\n'
        )

    def machines(self, machines: tuple[Machine, ...], rows: tuple[str, ...], top: float) -> float:
        """Draw machines side by side, each row at one height for all; return where they end."""
        used = [row for row in rows if any(box.row == row for machine in machines for box in machine.boxes)]
        heights = {row: max(_row_height(machine, row) for machine in machines) for row in used}
        height = HEAD + sum(heights.values()) + ROW_GAP * len(used)
        taken = len(machines) * COLUMN + (len(machines) - 1) * GAP
        x = (self.width - taken) / 2
        for machine in machines:
            self.frame(machine, x, top, height)
            y = top + HEAD
            for row in used:
                boxes = [box for box in machine.boxes if box.row == row]
                self.row(boxes, x + 16, y)
                y += heights[row] + ROW_GAP
            x += COLUMN + GAP
        return top + height

    def frame(self, machine: Machine, x: float, y: float, height: float) -> None:
        mood = machine.mood
        soft = "#eef7f3" if mood == "active" else "#fbfcfd"
        self.shapes.append(
            _rect(_Place(x, y, COLUMN, height), soft, _EDGE[mood], _DASH[mood], 3 if mood == "active" else 1.5)
        )
        self.shapes.append(_text(x + 16, y + 24, machine.name, "#1d2429", 17, bold=True))
        note = f"{_MARK[mood]} {machine.note}".strip()
        self.shapes.append(_text(x + COLUMN - 16, y + 24, note, _EDGE[mood], 14, bold=True, anchor="end"))

    def row(self, boxes: list[Box], x: float, y: float) -> None:
        if not boxes:
            return
        width = (COLUMN - 32 - 10 * (len(boxes) - 1)) / len(boxes)
        for box in boxes:
            place = _Place(x, y, width, _box_height(box))
            self.places[box.id] = place
            self.shapes.append(_rect(place, _FILL[box.mood], _EDGE[box.mood], _DASH[box.mood], 1.5))
            room = int(width / 7.4)
            self.shapes.append(
                _text(x + 10, y + 20, f"{_MARK[box.mood]} {_cut(box.title, room)}", _INK[box.mood], 13, bold=True)
            )
            for number, line in enumerate(box.lines):
                self.shapes.append(_text(x + 10, y + 38 + LINE * number, _cut(line, room), _INK[box.mood], 12))
            x += width + 10

    def link(self, link: Link) -> None:
        start, end = self.places.get(link.start), self.places.get(link.end)
        if start is None or end is None:
            return
        colour, dash = _EDGE[link.mood], _DASH[link.mood]
        level = abs(start.y - end.y) < BOX_HEIGHT
        if level:
            left, right = sorted((start, end), key=lambda place: place.x)
            y = left.y + min(left.height, right.height) / 2
            self.lines.append(_line((left.x + left.width, y), (right.x, y), colour, dash))
            middle = (left.x + left.width + right.x) / 2
            self.lines.append(_text(middle, y - 8, link.label, colour, 12, bold=True, anchor="middle"))
        else:
            above, below = (start, end) if start.y < end.y else (end, start)
            self.lines.append(
                _line((above.middle[0], above.y + above.height), (below.middle[0], below.y), colour, dash)
            )

    def legend(self, y: float) -> float:
        x = float(MARGIN)
        words: dict[Mood, str] = {
            "active": "active: serves now",
            "standby": "standby: ready",
            "wrong": "wrong",
            "unknown": "unknown",
        }
        for mood, word in words.items():
            self.shapes.append(_rect(_Place(x, y, 18, 14), _FILL[mood], _EDGE[mood], _DASH[mood], 1.5))
            self.shapes.append(_text(x + 25, y + 12, f"{_MARK[mood]} {word}", "#3b444c", 12))
            x += 60 + 7 * len(word)
        return y + 14


def _row_height(machine: Machine, row: str) -> float:
    return max((_box_height(box) for box in machine.boxes if box.row == row), default=0.0)


def _box_height(box: Box) -> float:
    return max(BOX_HEIGHT * 0.6, 28.0 + LINE * len(box.lines) + 6)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(1, room - 1)]}…"


def _rect(place: _Place, fill: str, edge: str, dash: str, width: float) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<rect x="{place.x:.1f}" y="{place.y:.1f}" width="{place.width:.1f}" height="{place.height:.1f}" rx="7" '
        f'fill="{fill}" stroke="{edge}" stroke-width="{width}"{dashes}/>'
    )


def _line(start: tuple[float, float], end: tuple[float, float], colour: str, dash: str) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{colour}" stroke-width="2.5"{dashes}/>'
    )


def _text(x: float, y: float, text: str, colour: str, size: int, *, bold: bool = False, anchor: str = "start") -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{escape(colour)}" font-size="{size}" text-anchor="{anchor}"{weight}>'
        f"{escape(text, quote=False)}</text>"
    )

"""Draws which room imports from which, and counts lines: ``python docs/draw_rooms.py`` renews docs/images/rooms.svg.

A row for each room that imports, a column for each that it imports from, both from the ground floor up. Every cell
lies below the diagonal, because a room imports only rooms below its own. It prints a table of lines by room.
"""

from __future__ import annotations

import sys
from collections import Counter
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from rooms import FLOOR, NAMES, module_of, own_imports, room_of  # noqa: E402

CELL, LABEL, TOP = 22, 190, 190  # pixels
COLOURS = {"search_spaces": "#767676", "trials": "#0072b2", "study": "#b25900", "analysis": "#00795a"}
GRID = "stroke='#e5e5e5' stroke-width='.5'"
FONT = "font-family='system-ui, sans-serif' font-size='12'"


def imported() -> Counter[tuple[str, str]]:
    """How many different names a room imports from another, by (importing, imported)."""
    found = {
        (room_of(module_of(name)), room_of(str(node.module)), alias.name)
        for name in NAMES
        for node in own_imports(name)
        for alias in node.names
    }
    return Counter((own, other) for own, other, _ in found if own != other)


def lines() -> Counter[str]:
    """Lines of Python by room."""
    found: Counter[str] = Counter()
    for name in NAMES:
        found[room_of(module_of(name))] += len((ROOT / name).read_text().splitlines())
    return found


def drawn(counts: Counter[tuple[str, str]]) -> str:
    """The matrix as SVG."""
    rooms = [room for room in sorted(FLOOR, key=lambda room: FLOOR[room]) if any(room in pair for pair in counts)]
    size = CELL * len(rooms)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {LABEL + size + 10} {TOP + size + 10}' {FONT}>",
        "<title>Names that each room imports from the rooms below it</title>",
        f"<rect width='{LABEL + size + 10}' height='{TOP + size + 10}' fill='white'/>",
    ]
    for index, room in enumerate(rooms):
        middle, colour = index * CELL + CELL / 2, COLOURS[room.split(".")[0]]
        name = escape("study.cli" if room == "study" else room)
        parts += [
            f"<text x='{LABEL - 8}' y='{TOP + middle + 4}' text-anchor='end' fill='{colour}'>{name}</text>",
            f"<text transform='translate({LABEL + middle + 4} {TOP - 8}) rotate(-60)' fill='{colour}'>{name}</text>",
            f"<rect x='{LABEL + index * CELL}' y='{TOP + index * CELL}' width='{CELL}' height='{CELL}' fill='#ddd'/>",
        ]
    for (own, other), number in sorted(counts.items()):
        x, y = LABEL + rooms.index(other) * CELL, TOP + rooms.index(own) * CELL
        colour, strength = COLOURS[other.split(".")[0]], min(1.0, 0.25 + number / 20)
        parts += [
            f"<rect x='{x}' y='{y}' width='{CELL}' height='{CELL}' fill='{colour}' fill-opacity='{strength:.2f}'/>",
            f"<text x='{x + CELL / 2}' y='{y + CELL / 2 + 4}' text-anchor='middle' font-size='10' "
            f"fill='{'white' if strength > 0.6 else 'black'}'>{number}</text>",
        ]
    for index in range(len(rooms) + 1):
        at = index * CELL
        parts.append(f"<path d='M {LABEL} {TOP + at} h {size} M {LABEL + at} {TOP} v {size}' {GRID}/>")
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Write the picture, and print lines by room."""
    (ROOT / "docs" / "images" / "rooms.svg").write_text(drawn(imported()), encoding="utf-8")
    for room, number in sorted(lines().items(), key=lambda pair: FLOOR.get(pair[0], -1)):
        sys.stdout.write(f"| {room} | {number:,} |\n")


if __name__ == "__main__":
    main()

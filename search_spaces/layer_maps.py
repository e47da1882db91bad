"""Layer maps: for each layer of the student the layer of the teacher that it is compared with.

A map is a tuple of (student layer, teacher layer), counted from 1 as in the papers. Some maps are formulas for any
depths, others are tables for a few depths.
"""

from __future__ import annotations

from collections.abc import Callable

from search_spaces.wording import counted

LayerMap = tuple[tuple[int, int], ...]

Table = dict[
    int, dict[int, tuple[int, ...]]
]  # teacher's depth -> student's depth -> the teacher's layer for each of the student's

PAPER_B: Table = {  # B, section 4: first and last layers are paired, the others as in the text
    12: {3: (1, 5, 12), 6: (1, 3, 6, 8, 10, 12), 9: (1, 2, 4, 6, 8, 9, 10, 11, 12)}
}
DISTILBERT: Table = {
    12: {6: (1, 3, 5, 8, 10, 12)}
}  # the layers that DistilBERT is initialised from (Sanh et al., 2019)
BART: Table = {  # of distilled BART, Marian and Pegasus (Shleifer & Rush, 2020)
    6: {1: (6,), 2: (4, 6), 3: (2, 5, 6), 4: (2, 3, 5, 6)},
    12: {1: (12,), 2: (6, 12), 3: (4, 8, 12), 6: (2, 4, 6, 9, 11, 12)},
    16: {1: (16,), 4: (5, 10, 13, 16), 8: (2, 4, 6, 8, 10, 12, 14, 16)},
}


def uniform(student: int, teacher: int) -> LayerMap:
    """The last layer of each of `student` equal groups of the teacher's layers: 2, 4, 6 for 3 of 6."""
    return tuple((layer, layer * teacher // student) for layer in range(1, student + 1))


def ends(student: int, teacher: int) -> LayerMap:
    """First with first, last with last, the others evenly between (B, section 4); a single layer with the last."""
    if student == 1:
        return ((1, teacher),)
    gap = (teacher - 1) / (student - 1)
    return tuple((layer, 1 + int(gap * (layer - 1) + 0.5)) for layer in range(1, student + 1))


def pkd_skip(student: int, teacher: int) -> LayerMap:
    """PKD-skip (Sun et al., 2019): `uniform` without the student's last layer."""
    return uniform(student, teacher)[:-1]


def pkd_last(student: int, teacher: int) -> LayerMap:
    """PKD-last (Sun et al., 2019): all layers but the student's last, paired with those before the teacher's last."""
    return tuple((layer, teacher - student + layer) for layer in range(1, student))


FORMULAS: dict[str, Callable[[int, int], LayerMap]] = {
    "uniform": uniform,
    "ends": ends,
    "pkd_skip": pkd_skip,
    "pkd_last": pkd_last,
}
TABLES: dict[str, Table] = {"paper_b": PAPER_B, "distilbert": DISTILBERT, "bart": BART}
NAMES = (*FORMULAS, *TABLES)


def layer_map(name: str | LayerMap, student: int, teacher: int) -> LayerMap:
    """The layer map for a student and a teacher of these depths.

    In every table, a student as deep as its teacher has each layer compared with the same layer.

    Args:
        name: A name, or the map itself.
        student: The student's number of layers.
        teacher: The teacher's number of layers.

    Raises:
        ValueError: There is no such map for these depths.
    """
    if not isinstance(name, str):
        if any(not (1 <= own <= student and 1 <= other <= teacher) for own, other in name):
            raise ValueError(f"has layers outside a student of {student} and a teacher of {counted(teacher, 'layer')}")
        return name
    if name in FORMULAS:
        if student > teacher:
            raise ValueError(
                f"the student has {counted(student, 'layer')}, more than the teacher's {teacher}: reduce its layers"
            )
        if name.startswith("pkd") and student == 1:
            raise ValueError("leaves out the student's last layer, but it has only one layer: use uniform or ends")
        return FORMULAS[name](student, teacher)
    if name not in TABLES:
        raise ValueError(f"no such layer map; known: {', '.join(NAMES)}, or pairs of layers")
    found = TABLES[name].get(teacher, {}).get(student)
    if found is None and student == teacher:
        found = tuple(range(1, teacher + 1))
    if found is None:
        known = "; ".join(f"{', '.join(map(str, held))} of {depth}" for depth, held in TABLES[name].items())
        raise ValueError(f"exists for {known} layers, not for {student} of {teacher}: use uniform or ends")
    return tuple(enumerate(found, start=1))

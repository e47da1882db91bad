"""The tables of paper B ("What is Lost in Knowledge Distillation?"), as printed.

Units as in the paper: scores are shares, speed is in samples per second, parameters and training rows are rounded as it
rounds them. Its models are the teacher ("baseline") and eight students.
"""

from __future__ import annotations

from analysis.results.speeds import Speed
from analysis.results.study_kind import Factor
from analysis.shapes.shape_study import ShapedStudent, ShapeStudy
from analysis.shapes.worthwhile import Aspect, Sign

TASKS = ("CoLA", "MNLI", "MRPC", "QNLI", "QQP", "RTE", "SST2", "STSB")
STUDENTS = ("9L", "6L", "3L", "516D", "384D", "8AH", "4AH", "6L_384D")

# Table 1, a row per model in the order of TASKS
SCORES = {
    "baseline": (0.62, 0.88, 0.92, 0.93, 0.90, 0.80, 0.95, 0.91),
    "9L": (0.59, 0.83, 0.89, 0.90, 0.89, 0.68, 0.93, 0.87),
    "6L": (0.60, 0.83, 0.87, 0.90, 0.88, 0.69, 0.91, 0.88),
    "3L": (0.40, 0.77, 0.81, 0.85, 0.83, 0.58, 0.91, 0.81),
    "516D": (0.55, 0.81, 0.87, 0.88, 0.89, 0.62, 0.90, 0.87),
    "384D": (0.53, 0.80, 0.88, 0.87, 0.87, 0.65, 0.90, 0.86),
    "8AH": (0.55, 0.81, 0.87, 0.88, 0.88, 0.61, 0.92, 0.85),
    "4AH": (0.55, 0.81, 0.88, 0.88, 0.89, 0.61, 0.92, 0.85),
    "6L_384D": (0.47, 0.78, 0.85, 0.84, 0.87, 0.62, 0.91, 0.84),
}

# Table 2, samples per second
SPEEDS = {
    "baseline": (49.1, 185.8, 172.0, 184.5, 186.7, 165.6, 180.6, 181.3),
    "9L": (50.4, 184.2, 175.8, 183.7, 185.3, 170.6, 182.5, 183.8),
    "6L": (56.0, 278.1, 262.3, 277.5, 280.4, 260.5, 260.1, 275.5),
    "3L": (57.3, 324.2, 305.0, 321.2, 324.5, 301.9, 318.4, 316.4),
    "516D": (51.9, 210.4, 195.6, 210.1, 211.1, 191.0, 205.6, 208.6),
    "384D": (54.0, 262.0, 240.8, 260.3, 265.2, 231.5, 253.5, 256.9),
    "8AH": (46.9, 152.7, 139.3, 153.6, 154.2, 140.5, 150.8, 153.0),
    "4AH": (47.8, 153.9, 138.5, 152.3, 154.2, 133.6, 149.2, 150.3),
    "6L_384D": (59.0, 408.4, 387.1, 403.7, 408.7, 379.2, 389.0, 397.7),
}

# Table 3: worthwhile (✓), harmful (✗), uncertain (?). "For the other five tasks, the signs are ✓ across all factors."
SIGNS = {
    "Layer": {"CoLA": "✓", "RTE": "?", "STSB": "✓"},
    "Att. Head": {"CoLA": "?", "RTE": "✗", "STSB": "?"},
    "Hidden Dim": {"CoLA": "✗", "RTE": "✗", "STSB": "✓"},
    "Speed": {"CoLA": "?", "RTE": "✓", "STSB": "✓"},
}

# Table 4: layers, attention heads, layer dimension, parameters in millions
MODELS = {
    "baseline": (12, 12, 768, 124),
    "9L": (9, 12, 768, 103),
    "6L": (6, 12, 768, 82),
    "3L": (3, 12, 768, 61),
    "8AH": (12, 8, 768, 124),
    "4AH": (12, 4, 768, 124),
    "516D": (12, 12, 516, 65),
    "384D": (12, 12, 384, 41),
    "6L_384D": (6, 12, 384, 30),
}

# Table 5: rows of the training sets
TRAINING_ROWS = {
    "CoLA": 8_500,
    "MNLI": 393_000,
    "MRPC": 3_700,
    "QNLI": 108_000,
    "QQP": 364_000,
    "RTE": 2_500,
    "SST2": 67_000,
    "STSB": 5_700,
}


def paper_study() -> ShapeStudy:
    """Tables 1, 2, 4 and 5 as the input of the findings."""
    students = tuple(ShapedStudent(name, factors_of(name), 1_000_000 * MODELS[name][3]) for name in STUDENTS)
    return ShapeStudy(
        tasks=TASKS,
        students=students,
        teacher_parameters=1_000_000 * MODELS["baseline"][3],
        teacher_scores=dict(zip(TASKS, SCORES["baseline"], strict=True)),
        student_scores={(s, t): score for s in STUDENTS for t, score in zip(TASKS, SCORES[s], strict=True)},
        teacher_speeds={t: once(speed) for t, speed in zip(TASKS, SPEEDS["baseline"], strict=True)},
        student_speeds={(s, t): once(speed) for s in STUDENTS for t, speed in zip(TASKS, SPEEDS[s], strict=True)},
        training_rows=TRAINING_ROWS,
    )


def factors_of(name: str) -> frozenset[Factor]:
    """What table 4 says that a student has less of."""
    parts = zip((Factor.LAYERS, Factor.HEADS, Factor.WIDTH), MODELS[name], MODELS["baseline"], strict=False)
    return frozenset(factor for factor, own, teacher in parts if own < teacher)


def once(speed: float) -> Speed:
    """A speed measured once."""
    return Speed(speed, speed, speed)


def paper_signs() -> dict[tuple[Aspect, str], Sign]:
    """Table 3 with the five tasks that it does not print."""
    marks = {"✓": Sign.WORTHWHILE, "✗": Sign.HARMFUL, "?": Sign.UNCERTAIN}
    rows = zip(SIGNS.values(), Aspect, strict=True)
    return {(aspect, task): marks[row.get(task, "✓")] for row, aspect in rows for task in TASKS}

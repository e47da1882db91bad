"""The sections of D's questions; those that a study cannot fill are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.presentation import Section
from analysis.transfer import figures, findings, tables, words
from analysis.transfer.models import StudentSize, TeacherCertainty, student_sizes, teacher_certainties
from analysis.transfer.students import Students, distilled_students

TEST = "Scores are on test, means over seeds; of each kind the experiment that validates best."
INTERVALS = (
    "Differences are in points, hundredths of the full score. Intervals: 1,000 paired bootstrap draws of test "
    "examples, all seeds of both students on the same examples; over seeds where answers are not kept; none with "
    "neither. McNemar's exact test is of the first seed, the t-test is paired by seed."
)

DISTILLATION = Section[Students](
    name="distillation",
    question="What is a teacher worth?",
    compute=distilled_students,
    shown=lambda students: bool(findings.without_and_with_teacher(students)),
    figure=lambda students: figures.gains(findings.without_and_with_teacher(students)),
    reading=lambda students: words.gain_sentence(findings.without_and_with_teacher(students)),
    caption=f"D, table 5. {TEST} The RNN encoder and the student without distillation learn from labels alone; the "
    f"distilled student is the better of hard and soft, on validation. Blue: beyond the noise. {INTERVALS}",
    tables=(tables.GAINS, tables.GAIN_TESTS, tables.STUDENTS),
    found=lambda students: [words.gain_sentence(findings.without_and_with_teacher(students))],
    paper=words.PAPER,
)
BETTER_TEACHERS = Section[Sequence[findings.BetterTeacher]](
    name="better_teachers",
    question="Does a better teacher make a better student?",
    compute=findings.from_students(findings.with_several_teachers),
    figure=figures.teachers,
    reading=words.teachers_sentence,
    caption=f"D, table 6. {TEST} One line per data set and student, a point per teacher. Tests are paired by seed: the "
    "student of the teacher with the highest test score against that of the teacher with the lowest.",
    tables=(tables.TEACHERS,),
    found=lambda found: [words.teachers_sentence(found)],
)
SOFT_AND_HARD = Section[Students](
    name="soft_and_hard",
    question="Soft or hard labels?",
    compute=findings.from_students(findings.with_hard_and_soft_labels),
    figure=figures.soft_and_hard,
    reading=words.soft_sentence,
    caption=f"D, table 8. {TEST} Hard: the teacher's likeliest classes. Soft: its probabilities or logits, its "
    "representations, or both. The best of several soft experiments stands for all, which favours soft labels a "
    f"little. {INTERVALS}",
    tables=(tables.SOFT_AND_HARD, tables.SOFT_TESTS),
    found=lambda students: [words.soft_sentence(students)],
)
CERTAINTY = Section[Sequence[TeacherCertainty]](
    name="teacher_certainty",
    question="How sure are the teachers?",
    compute=teacher_certainties,
    figure=figures.certainties,
    reading=words.certainty_sentence,
    caption="D, table 9. Population variance over classes of the teaching checkpoint's probabilities, mean over the "
    "rows that it teaches on. Hard labels have the highest variance, (1/C) (1 − 1/C) with C classes; equal "
    "probabilities have none. The surer a teacher is, the less its soft labels add to hard ones.",
    tables=(tables.CERTAINTY,),
    found=lambda found: [words.certainty_sentence(found)],
)
FEW_LABELS = Section[findings.Groups](
    name="few_labels",
    question="What is a teacher worth with few labels?",
    compute=findings.from_students(findings.by_labels),
    figure=figures.by_labels,
    reading=words.labels_sentence,
    caption="D, tables 10 and 11. Data sets of one source that differ in labels and transfer rows alone; rows without "
    f"their labels join the transfer set. {TEST} {INTERVALS}",
    tables=(tables.DATA_SIZES,),
    found=lambda groups: [words.labels_sentence(groups)],
)
TRANSFER_ROWS = Section[findings.Groups](
    name="transfer_rows",
    question="How large should the transfer set be?",
    compute=findings.from_students(findings.by_transfer_rows),
    figure=figures.by_transfer_rows,
    reading=words.transfer_sentence,
    caption=f"With one number of labelled examples. {TEST}",
    tables=(tables.DATA_SIZES,),
    found=lambda groups: [words.transfer_sentence(groups)],
)
SCHEDULES = Section[Students](
    name="schedules",
    question="In which order should a student learn?",
    compute=findings.from_students(findings.with_schedules),
    figure=figures.schedules,
    reading=words.schedules_sentence,
    caption="D, table 12. R: the teacher's representations, L: its logits, CE: people's labels; | stands between "
    f"stages. {TEST} Bold: the best of a row on test. {INTERVALS}",
    tables=(tables.BY_SCHEDULE, tables.SCHEDULES),
    found=lambda students: [words.schedules_sentence(students)],
)
SIZE_AND_SPEED = Section[Sequence[StudentSize]](
    name="size_and_speed",
    question="How much smaller and faster is it?",
    compute=student_sizes,
    shown=lambda sizes: any(size.compression for size in sizes),
    figure=figures.sizes,
    reading=words.size_sentence,
    caption="D, table 7. Parameters are means over data sets, as vocabularies of words differ; embeddings count. "
    "Speed-up: samples a second of the student over those of its teacher round by round, all models on the same test "
    "rows in the same batches, rounds interleaved; in the table the geometric mean over data sets.",
    tables=(tables.MODELS, tables.SIZES),
    found=lambda sizes: [words.size_sentence(sizes)],
)
SECTIONS: tuple[Section[Any], ...] = (
    DISTILLATION,
    BETTER_TEACHERS,
    SOFT_AND_HARD,
    CERTAINTY,
    FEW_LABELS,
    TRANSFER_ROWS,
    SCHEDULES,
    SIZE_AND_SPEED,
)

"""The sections about every triple, teacher and failure. Every study has them, whatever it asks."""

from __future__ import annotations

from typing import Any

from analysis.presentation import Section
from analysis.results import StudyResults
from analysis.triples import figures, tables, words


def _every(results: StudyResults) -> StudyResults:
    return results


SCORES = Section[StudyResults](
    name="scores",
    question="What did every triple reach?",
    compute=_every,
    # the students of a study of shapes alone have their scores there
    shown=lambda study: study.compares_choices or study.compares_experiments or not study.compares_shapes,
    figure=figures.triple_scores,
    reading=words.kept_sentence,
    caption=(
        f"{words.TEST} Teacher: its highest-score checkpoint. Majority: the best answer that is the same "
        "for all, such as the most frequent training label; it is not drawn where no such answer scores."
    ),
    tables=(tables.OUTCOMES, tables.CONFIGURATIONS, tables.CANDIDATES),
    found=lambda study: [words.kept_sentence(study)],
    cautions=words.seeds_caution,
    progress=words.progress_sentences,
    tiles=words.progress_tiles,
)
TRAINING = Section[StudyResults](
    name="training",
    question="How did training go?",
    compute=lambda study: None if study.compares_experiments else study,  # these have curves of their own
    figure=figures.training,
    reading=words.training_sentence,
    caption=(
        "Validation score of the trials behind each triple's best choice, and its worst where it is "
        "another; one curve per seed."
    ),
)
TEACHERS = Section[StudyResults](
    name="teachers",
    question="The teachers",
    compute=_every,
    tables=(tables.TEACHERS,),
    cautions=words.weak_teachers_caution,
)
FAILURES = Section[StudyResults](
    name="failures",
    question="What failed",
    compute=_every,
    reading=lambda study: None if study.provenance.failures else "Nothing failed.",
    tables=(tables.FAILURES,),
)
SECTIONS: tuple[Section[Any], ...] = (SCORES, TRAINING, TEACHERS, FAILURES)

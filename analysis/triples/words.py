"""What is said of triples, teachers and failures."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.presentation import duration, listing, percent, score
from analysis.results import Progress, Role, StudyResults, full_score
from analysis.triples.curves import training_curves
from search_spaces import counted

FEW_SEEDS = 3
LITTLE = 0.1  # of the full score: a teacher that is no better than a constant answer by this has little to teach
TEST = "Scores are on test, means over seeds; all selection is on validation."


def kept_sentence(results: StudyResults) -> str | None:
    """How much of their teachers' test scores the best students keep."""
    kept = [
        (best / teacher, outcome.triple_id)
        for outcome in results.outcomes
        if (best := outcome.final_score(Role.BEST)) is not None and (teacher := outcome.teacher_score or 0.0) > 0
    ]
    if not kept:
        return None
    (low, hardest), (high, easiest) = min(kept), max(kept)
    span = f"{percent(low)} ({hardest}) to {percent(high)} ({easiest})" if len(kept) > 1 else percent(low)
    return f"The best students keep {span} of their teacher's test score."


def training_sentence(results: StudyResults) -> str | None:
    """How many runs scored best before their last validation."""
    curves = [curve for curve in training_curves(results) if curve.epochs]
    early = sum(curve.best_epoch < curve.epochs[-1] for curve in curves)
    return f"{early} of {counted(len(curves), 'run')} scored best before the last validation." if curves else None


def seeds_caution(results: StudyResults) -> Iterator[str]:
    """With few seeds, differences are partly noise."""
    seeds, each = len(results.study.config.seeds), "configuration" if results.compares_choices else "student"
    if seeds < FEW_SEEDS:
        yield f"Each {each} was trained with {counted(seeds, 'seed')}: differences include the noise of seeds."


def weak_teachers_caution(results: StudyResults) -> Iterator[str]:
    """Data sets on which a teacher has little to teach, and its students little to lose."""
    weak = [
        f"{record.task.teacher.name} on {record.task.dataset.name} ({score(own, metric)} against {score(base, metric)})"
        for record in results.teachers
        if record.status.has_scores
        for own, base, metric in [
            (record.selected("highest_score").test_score, record.majority_score, record.task.dataset.metric)
        ]
        if own is not None and base is not None and own - base < LITTLE * full_score(metric)
    ]
    if weak:
        noise = "so that their students' losses are mostly noise"
        yield f"These teachers are hardly better than one answer for all examples, {noise}: {listing(weak)}."


def progress_sentences(results: StudyResults) -> Iterator[str]:
    """What was run, and what is missing."""
    run, config, outcomes = results.provenance, results.study.config, results.outcomes
    states = [outcome.progress for outcome in outcomes]
    stages = [f"{states.count(state)} {state}" for state in Progress if states.count(state)]
    yield f"{counted(len(outcomes), 'triple')}: {listing(stages)}."
    spent = f"{duration(run.trial_hours)} of work in trials, {duration(run.teacher_hours)} in teachers"
    yield f"{counted(run.num_trials, 'trial')} and {counted(run.num_teachers, 'teacher')}: {spent}."
    if config.speed is not None:
        pairs = len(results.study.teacher_pairs)
        yield f"Response times: measured on {len(results.speeds)} of {counted(pairs, 'pair')} of teacher and data set."
    if run.num_stopped:
        how = "they count by their best validation until then" if results.include_stopped else "they do not count"
        yield f"{counted(run.num_stopped, 'trial')} stopped early ({config.search.stopping}); {how}."
    if run.failures:
        named = list(dict.fromkeys(f"{failure.where} ({failure.kind})" for failure in run.failures))
        yield f"{counted(len(run.failures), 'failure')}: {listing(named)}."
    if results.num_missing:
        cells = len(outcomes) * len(results.roles)
        yield f"{results.num_missing} of {cells} scores are missing; nothing is filled in for them."
    if run.num_extra:
        yield f"{counted(run.num_extra, 'trial')} that the search has not asked for: kept in the ledger, not used here."
    if run.num_unused:
        records = counted(run.num_unused, "record")
        yield f"{records} of other data, models or recipes: kept in the ledger, not used here."


def progress_tiles(results: StudyResults) -> Iterator[tuple[str, str]]:
    """Trials and their work; scores that are missing."""
    run = results.provenance
    stopped = f", {run.num_stopped} stopped early" if run.num_stopped else ""
    yield f"{run.num_trials:,}", f"trials, {run.num_failed} failed{stopped}; {duration(run.trial_hours)} of work"
    yield str(results.num_missing), f"scores missing of {len(results.outcomes) * len(results.roles)}"

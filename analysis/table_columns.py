"""What each table is, and what each of its columns means. Scores are in units of the data set's metric.

Tables of `BY_TASK` are for studies of several tasks only, those of `OF_CHOICES` for studies that compare choices.
"""

from __future__ import annotations

_TRIPLE = {
    "triple": "teacher/student/dataset",
    "task": "the data set's task",
    "metric": "what is scored; BLEU and chrF are between 0 and 100, all others at most 1",
}
_CONFIGURATION = {
    "distance": "distance between teacher and student; of regression always mse",
    "teacher_checkpoint": "the teaching checkpoint",
    "student_temperature": "equal to the teacher's, or one; of regression always equal",
    "soft_label_weight": "A's alpha",
    "temperature": "the teacher's temperature, tuned; of regression always 1",
    "learning_rate": "peak learning rate, tuned",
}
_RELATIVE = "(target - baseline) / baseline, a fraction; missing where a score is, or the baseline is not above 0"

DESCRIPTIONS = {
    "outcomes": "One row per triple of the study. Best and worst are selected on validation among the tuned choices "
    "that the search visited; before progress is `searched` they, and random, are those of the choices seen so far.",
    "candidates": "One row per tuned choice that a search visited, in its order, each trial once; scores are means "
    "over seeds.",
    "gains": "One row per comparison and triple: test improvement of a target over a baseline (A, section 4).",
    "deciles": "One row per comparison and decile of its relative gains over triples: numpy.quantile(gains, k / 10). "
    "The comparisons of parameters are alternative over default, from the steps of the search (A, figure 2). Gains are "
    "relative, and pool triples of all tasks and metrics.",
    "rewards": "One row per parameter (A, table 3): how often overriding the default trains a better student, on "
    "validation. The soft-label weight stands here for comparison; its alternative is the best of several values.",
    "task_deciles": "The table deciles, task by task; only of a study of several tasks.",
    "task_rewards": "The table rewards, task by task; only of a study of several tasks. Distance and student "
    "temperature are no parameters of regression.",
    "steps": "One row per step of a search: one parameter changed, learning rate and temperature tuned again.",
    "temperatures": "One row per tuned choice and temperature, at the choice's tuned learning rate; none of "
    "regression, which knows no temperature.",
    "teachers": "One row per teacher, data set and selected checkpoint.",
    "experiments": "One row per triple and named configuration (C, tables 1 and 3), in the space's order; the first is "
    "what the others are compared with.",
    "failures": "One row per failed search, teacher or trial, and per file of the ledger that is no record.",
}

_ROLES = {
    "teacher": "the teacher's highest-score checkpoint",
    "best": "the choice that validates best",
    "stable": "the stable configuration",
    "random": "a choice drawn uniformly (exact expectation)",
    "lazy": "the lazy baseline: random choices at temperature 1",
    "worst": "the choice that validates worst",
    "majority": "the best answer that is the same for all, such as the most frequent label; 0 where none scores",
}
_STUDENTS = ("best", "stable", "lazy", "worst")

_EXPERIMENT = {
    "experiment": "its name",
    "validation": "validation score, mean over seeds",
    "test": "test score, mean over seeds",
    "seeds": "finished seeds",
    "difference": "test score over the first experiment's, mean over the seeds that both have",
    "low": "lower end of its 95 % interval by resampling test examples",
    "high": "upper end",
    "bootstrap_p": "two-sided p-value of the same draws",
    "mcnemar_p": "two-sided exact p-value of McNemar's test, first seed",
    "seeds_p": "two-sided p-value of the t-test paired by seed",
    "teacher_test": "the teacher's test score",
    "train_rows": "training examples",
    "both_right": "test examples that teacher and student get right, mean over seeds",
    "only_teacher_right": "likewise the teacher alone",
    "only_student_right": "likewise the student alone",
    "neither_right": "likewise neither",
    "agreement": "share of test examples that both answer alike",
    "attention_divergence": "of the student's attention from the teacher's (C, eq. 2), mean over kept examples, "
    "matched layers, heads and seeds; missing where attention was not kept",
}

COLUMNS: dict[str, dict[str, str]] = {
    "experiments": {**_TRIPLE, **_EXPERIMENT},
    "outcomes": {
        **_TRIPLE,
        "teacher": "name of the teacher",
        "student": "name of the student",
        "dataset": "name of the data set",
        "progress": "waiting (for its teacher), searching, searched or failed",
        **{f"{role}_test": f"test score of {meaning}" for role, meaning in _ROLES.items()},
        **{f"{role}_validation": f"validation score of {_ROLES[role]}" for role in _STUDENTS},
        **{f"{role}_configuration": f"{_ROLES[role]}, with its tuned values" for role in _STUDENTS},
        "candidates": "tuned choices visited so far, failed ones included",
        "trials": "finished trials",
        "failed_trials": "failed ones among them",
        "stopped_trials": "those among them that were stopped early",
        "hours": "worker hours of its trials",
        "student_parameters": "number of the student's parameters",
        "test_rows": "test examples; a difference below 1 / test_rows (of BLEU and chrF 100 / test_rows) is less than "
        "one example",
        "failure": "why its search failed",
    },
    "candidates": {
        **_TRIPLE,
        "position": "order of the visit, from 0",
        **_CONFIGURATION,
        "validation": "validation score; missing if a trial failed",
        "test": "test score; missing if a trial failed",
    },
    "gains": {
        "comparison": "target over baseline",
        **_TRIPLE,
        "target_test": "test score of the target",
        "baseline_test": "test score of the baseline",
        "relative_gain": _RELATIVE,
        "absolute_gain": "target - baseline, in units of the metric",
        "undefined": "whether both scores are there but the baseline is not above 0",
        "within_one_example": "whether the two differ by no more than one test example",
    },
    "deciles": {
        "comparison": "target over baseline; parameters first where one is compared",
        "decile": "D1 to D10: D5 is the median, D10 the maximum",
        "relative_gain": "the decile of the relative gains, a fraction",
        "draws_5": "5th percentile of this decile over 1000 seeded draws of one random choice per triple",
        "draws_50": "median of the same",
        "draws_95": "95th percentile of the same",
        "triples": "triples with a relative gain",
        "missing": "triples without one of the two scores",
        "undefined": "triples whose baseline is not above 0",
    },
    "rewards": {
        "parameter": "the overridden parameter",
        "default": "its default",
        "alternative": "the value instead",
        "wins": "triples where the alternative validates better",
        "losses": "triples where it validates worse",
        "ties": "triples where both validate equally",
        "merged": "ties because both sides are one trial",
        "reward": "R = wins - losses",
        "p_value": "two-sided sign test of wins against losses; missing without either, or with several alternatives",
        "median_gain": "median relative test gain, alternative over default",
        "median_size": "median size of that gain, whatever its sign",
    },
    "steps": {
        **_TRIPLE,
        "parameter": "the changed parameter",
        "before": "the incumbent",
        "after": "the alternative, tuned; for the soft-label weight the best of the other weights",
        "before_validation": "validation score of the incumbent",
        "after_validation": "validation score of the alternative; missing if a trial failed",
        "before_test": "test score of the incumbent",
        "after_test": "test score of the alternative",
        "verdict": "win, loss or tie of the alternative, on validation",
        "accepted": "whether the alternative became the incumbent",
        "merged": "whether both sides are one trial",
        "relative_gain": f"test gain of the alternative: {_RELATIVE}",
    },
    "temperatures": {
        **_TRIPLE,
        "distance": "distance between teacher and student",
        "teacher_checkpoint": "the teaching checkpoint",
        "student_temperature": "equal to the teacher's, or one",
        "learning_rate": "the choice's tuned learning rate",
        "temperature": "the teacher's temperature",
        "validation": "validation score, mean over seeds",
        "selected": "whether this temperature was selected",
    },
    "teachers": {
        "teacher": "name of the teacher",
        "dataset": "name of the data set",
        "task": _TRIPLE["task"],
        "metric": _TRIPLE["metric"],
        "checkpoint": "highest_score or lowest_loss; both selected on validation",
        "epoch": "passes over the data until this checkpoint; 0 or more for given ones",
        "validation": "validation score",
        "validation_loss": "validation loss",
        "test": "test score",
        "one_checkpoint": "whether both criteria selected the same checkpoint",
        "majority_test": f"test score of {_ROLES['majority']}",
        "parameters": "number of the teacher's parameters",
        "train_rows": "training examples",
        "validation_rows": "validation examples",
        "test_rows": "test examples",
    },
    "failures": {
        "kind": "search, teacher, trial or file",
        "where": "the triple, the teacher and data set, or the file's name",
        "what": "configuration and seed of a trial",
        "reason": "why it failed",
    },
}

BY_TASK = {"task_deciles": "deciles", "task_rewards": "rewards"}  # each with the table that it is task by task
COLUMNS |= {name: {"task": _TRIPLE["task"], **COLUMNS[pooled]} for name, pooled in BY_TASK.items()}
OF_CHOICES = frozenset({"gains", "deciles", "rewards", "steps", "temperatures", *BY_TASK})  # not of one configuration
OF_STEPS = frozenset({"rewards", "task_rewards", "steps"})  # not of searches that do not go step by step

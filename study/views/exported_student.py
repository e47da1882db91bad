"""Selects the trial whose student is exported, and writes its model card."""

from __future__ import annotations

from collections.abc import Iterable

from search_spaces import Configuration, fault, nearest
from study.config import Study
from study.search import TripleSearch, load_search
from study.search.searchers import ExperimentSearch
from trials.specs import Record, TrialRecord
from trials.tasks import Head, task_of


def trial_to_export(
    study: Study, records: Iterable[Record], triple: str, *, experiment: str | None, stable: bool
) -> TrialRecord:
    """The record of the student to export: the seed with the best validation score.

    Args:
        study: The study.
        records: Its ledger.
        triple: ``teacher/student/dataset``.
        experiment: Name of an experiment; None for the triple's best configuration.
        stable: Export the study's stable configuration instead of the best one.

    Raises:
        InputError: The triple or experiment does not exist, or has no finished trial.
    """
    search = load_search(study, records)
    known = [each.triple_id for each in study.triples]
    if triple not in known:
        raise fault("command line", "--triple", triple, f"no such triple; {nearest(triple, known)}")
    found = search.triples.get(triple)
    configuration = None if found is None else _configuration(found, experiment, stable)
    trained = [] if found is None or configuration is None else found.records(configuration)
    completed = [record for record in trained if record.status.has_scores]
    if not completed:
        raise fault(
            "command line", "--triple", triple, "this configuration has no finished trial yet: launch the study"
        )
    return max(completed, key=lambda record: record.validation_score or 0.0)


def _configuration(found: TripleSearch, experiment: str | None, stable: bool) -> Configuration | None:
    """The tuned configuration to export; None if it is not known yet."""
    if experiment is not None:
        named = found.search.named if isinstance(found.search, ExperimentSearch) else {}
        if experiment not in named:
            message = f"no such finished experiment; {nearest(experiment, named)}"
            raise fault("command line", "--experiment", experiment, message)
        return named[experiment].configuration
    if stable:
        candidate = None if found.stable is None else found.stable.candidate
        if candidate is None:
            message = "is not known: all searches must end first, and the study must evaluate it"
            raise fault("command line", "--stable", found.triple.triple_id, message)
        return candidate.configuration
    return None if found.search.incumbent is None else found.search.incumbent.configuration


def model_card(record: TrialRecord, again: TrialRecord) -> str:
    """The text of the exported folder's README.md.

    Args:
        record: The trial's record in the ledger.
        again: The record of the repeated training, whose weights the folder holds.
    """
    triple, metric = record.spec.triple, record.spec.triple.dataset.metric
    rows = [
        ("task", triple.dataset.task),
        ("data", triple.dataset.name),
        ("teacher", f"{triple.teacher.name} ({triple.teacher.model})"),
        ("student", triple.student.name),
        ("parameters", f"{again.num_parameters:,}"),
        ("configuration", record.configuration),
        ("seed", record.spec.seed),
        ("longest input", f"{record.spec.training.max_length} tokens"),
        (f"validation {metric}", f"{again.validation_score:.4f}"),
        (f"test {metric}", f"{again.test_score:.4f}"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    use = "Load it with Transformers' `from_pretrained`.\n"
    if triple.student.is_recurrent:
        use = '    python run_student.py "a text"\n'
        if task_of(triple.dataset).head is not Head.SEQUENCE:
            use = "An LSTM each way over the tokenizer's tokens, and a linear layer over its states.\n"
    return f"# {triple.student.name}, distilled on {triple.dataset.name}\n\n| | |\n|---|---|\n{table}\n\n{use}"

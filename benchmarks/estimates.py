"""Accuracy of the time estimates: finished studies are replayed, and the estimates are compared with the real times.

At a share of a study's trials the hours of work that it takes in all are estimated: those so far and those left. The
error is against what it took in the end. Trials come as they did when the study ran, or as a launch proposes them now.

    python -m benchmarks.estimates runs/paper_c_local runs/paper_d_local --output benchmarks/results/estimates.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from study.config.study_file import Study
from study.ledger.record_files import Ledger
from study.ledger.study_directory import open_study
from study.planning.study_plan import make_plan, planned_seconds
from study.planning.work_left import estimate_work_left
from study.search.fingerprints import Fingerprints
from study.search.study_search import StudySearch
from trials.specs.records import Record, TeacherRecord, TrialRecord
from trials.specs.work import work_id

SHARES = (0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True)
class Estimated:
    """One estimate of a study's hours.

    Attributes:
        study: Its name.
        order: ``came`` or ``proposed``.
        share: Of its trials that had ended.
        trials: How many those are.
        unmeasured: Triples without a trial among them.
        hours: Hours that all took in the end.
        lower, expected, upper: Hours estimated.
        planned: Hours that the plan had said.
    """

    study: str
    order: str
    share: float
    trials: int
    unmeasured: int
    hours: float
    lower: float
    expected: float
    upper: float
    planned: float | None

    @property
    def error(self) -> float:
        """Estimated over true hours, minus 1."""
        return self.expected / self.hours - 1

    @property
    def holds(self) -> bool:
        """Whether the truth is between the bounds."""
        return self.lower <= self.hours <= self.upper


def proposed(study: Study, records: Sequence[Record]) -> list[Record]:
    """The records that a study's search asks for, in the order of its asking, one at a time.

    Raises:
        ValueError: The study is not finished.
    """
    search = StudySearch(study, Fingerprints.from_records(study, records))
    known, order = {record.record_id: record for record in records}, []
    while work := search.propose():
        if work_id(work[0]) not in known:
            raise ValueError(f"{study.config.name} is not finished: {work_id(work[0])} has no record")
        order.append(known[work_id(work[0])])
        search.observe(order[-1])
    return order


def came(records: Iterable[Record]) -> list[Record]:
    """Records as they ended; a teacher that was prepared again later counts before its first trial."""
    records = sorted(records, key=lambda record: record.run.finished_at)
    teachers = {(r.task.teacher.name, r.task.dataset.name): r for r in records if isinstance(r, TeacherRecord)}
    order: dict[str, Record] = {}
    for record in records:
        if isinstance(record, TrialRecord):
            triple = record.spec.triple
            teacher = teachers[triple.teacher.name, triple.dataset.name]
            order.setdefault(teacher.record_id, teacher)
        order.setdefault(record.record_id, record)
    return list(order.values())


def estimates(study: Study, records: Sequence[Record]) -> Iterator[Estimated]:
    """A finished study's estimates, at each share of its trials, in both orders."""
    asked = proposed(study, records)
    hours, planned, plan = sum(each.run.seconds for each in asked) / 3600, planned_seconds(study), make_plan(study)
    for name, order in (("came", came(asked)), ("proposed", asked)):
        ends = [number for number, record in enumerate(order, start=1) if isinstance(record, TrialRecord)]
        for share in SHARES:
            so_far = order[: ends[max(1, round(share * len(ends))) - 1]]
            found = estimate_work_left(
                StudySearch(study, Fingerprints.from_records(study, records), so_far), planned, so_far
            )
            yield Estimated(
                study=study.config.name,
                order=name,
                share=share,
                trials=found.measured,
                unmeasured=sum(triple.done == 0 for triple in found.triples),
                hours=hours,
                lower=found.done_hours + found.hours.lower,
                expected=found.done_hours + found.hours.expected,
                upper=found.done_hours + found.hours.upper,
                planned=plan.hours,
            )


def main() -> None:
    """Print a table; write the results file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="+", metavar="DIR", help="directories of finished studies")
    parser.add_argument("--output", type=Path, help="results file")
    arguments = parser.parse_args()
    rows = []
    for directory in arguments.directories:
        study, workspace = open_study(directory)
        if workspace is None:
            parser.error(f"{directory} is a file; give a study's directory")
        rows += list(estimates(study, Ledger(workspace.ledger).refresh()))
    print("| study | trials | took h | planned h | order | at | estimated h (bounds) | error |")
    print(f"|{'---|' * 8}")
    for row in rows:
        planned = "" if row.planned is None else f"{row.planned:.2f}"
        bounds = f"{row.expected:.2f} ({row.lower:.2f} to {row.upper:.2f}{'' if row.holds else ', missed'})"
        print(
            f"| {row.study} | {row.trials} | {row.hours:.2f} | {planned} | {row.order} | {row.share:.0%} "
            f"| {bounds} | {row.error:+.0%} |"
        )
    if arguments.output:
        values = [{**asdict(row), "error": row.error, "holds": row.holds} for row in rows]
        arguments.output.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Content hashes of what a study starts from, by which records of other contents are told apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from study.config import Study
from trials.specs import Record, StudentSpec, TeacherRecord, TrialRecord


@dataclass(frozen=True)
class Fingerprints:
    """Content hashes of what a study starts from.

    Attributes:
        data: By data set name.
        models: Pretrained models and given checkpoints, by what `Study.teacher_source` or `Study.student_source` name.
        vectors: Files of word vectors, by what students call them.
    """

    data: dict[str, str] = field(default_factory=dict)
    models: dict[tuple[str, ...], str] = field(default_factory=dict)
    vectors: dict[str, str] = field(default_factory=dict)

    def student_fingerprint(self, study: Study, student: StudentSpec) -> str:
        """Of what a student starts from, its word vectors among it; empty where it is not known."""
        model = self.models.get(study.student_source(student), "")
        return model if student.embeddings is None else f"{model}+{self.vectors.get(student.embeddings, '')}"

    @classmethod
    def from_records(cls, study: Study, records: Iterable[Record]) -> Fingerprints:
        """What the newest records say, for reading a study whose data are not at hand."""
        data: dict[str, str] = {}
        models: dict[tuple[str, ...], str] = {}
        vectors: dict[str, str] = {}
        teachers = {(t.name, d.name): study.teacher_source(t, d) for t, d in study.teacher_pairs}
        students = {student.name: study.student_source(student) for student in study.config.students}
        for record in sorted(records, key=lambda record: record.run.finished_at):
            if isinstance(record, TeacherRecord):
                pair = (record.task.teacher.name, record.task.dataset.name)
                data[record.task.dataset.name] = record.task.data_fingerprint
                if pair in teachers:
                    models[teachers[pair]] = record.task.model_fingerprint
            elif isinstance(record, TrialRecord) and record.spec.triple.student.name in students:
                model, _, of_vectors = record.spec.source_fingerprint.partition("+")
                models[students[record.spec.triple.student.name]] = model
                if of_vectors:
                    vectors[record.spec.triple.student.embeddings or ""] = of_vectors
        return cls(data, models, vectors)

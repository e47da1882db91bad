"""Content hashes of a study's data and models, by which records of other data and models are recognised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from study.config import Study
from trials.specs import Record, StudentSpec, TeacherRecord, TrialRecord


@dataclass(frozen=True)
class Fingerprints:
    """Content hashes of a study's data and models.

    Attributes:
        data: Data sets, by name.
        models: Pretrained models and given checkpoints, by `Study.teacher_source` or `Study.student_source`.
        vectors: Files of word vectors, by their reference in the students.
    """

    data: dict[str, str] = field(default_factory=dict)
    models: dict[tuple[str, ...], str] = field(default_factory=dict)
    vectors: dict[str, str] = field(default_factory=dict)

    def student_fingerprint(self, study: Study, student: StudentSpec) -> str:
        """Fingerprint of the model that a student starts from, with its word vectors; empty if unknown."""
        model = self.models.get(study.student_source(student), "")
        return model if student.embeddings is None else f"{model}+{self.vectors.get(student.embeddings, '')}"

    @classmethod
    def from_records(cls, study: Study, records: Iterable[Record]) -> Fingerprints:
        """Fingerprints from the newest records, to read a study whose data are not on this machine."""
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

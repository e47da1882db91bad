"""A study's pieces of work besides trials (teacher preparation, response times), and the names of all work."""

from __future__ import annotations

from study.config import Study
from study.search.fingerprints import Fingerprints
from trials.specs import DatasetSpec, SpeedSettings, SpeedTask, TeacherSpec, TeacherTask, Work


def teacher_task(study: Study, fingerprints: Fingerprints, teacher: TeacherSpec, dataset: DatasetSpec) -> TeacherTask:
    """The task to prepare a teacher for a data set."""
    return TeacherTask(
        teacher=teacher,
        dataset=dataset,
        training=study.teacher_recipe(teacher, dataset),
        data_fingerprint=fingerprints.data.get(dataset.name, ""),
        model_fingerprint=fingerprints.models.get(study.teacher_source(teacher, dataset), ""),
    )


def speed_task(
    study: Study, fingerprints: Fingerprints, teacher: TeacherSpec, dataset: DatasetSpec, settings: SpeedSettings
) -> SpeedTask:
    """The task to measure response times of a teacher and its students on a data set."""
    students = tuple(
        triple.student for triple in study.triples if (triple.teacher, triple.dataset) == (teacher, dataset)
    )
    sources = (teacher.model, teacher.revision or ""), *map(study.student_source, students)
    return SpeedTask(
        teacher=teacher,
        students=students,
        dataset=dataset,
        max_length=settings.max_length or study.student_recipe(dataset).max_length,
        settings=settings,
        seed=study.config.seeds[0],
        data_fingerprint=fingerprints.data.get(dataset.name, ""),
        sources=sources,
        fingerprints=(
            fingerprints.models.get(sources[0], ""),
            *(fingerprints.student_fingerprint(study, student) for student in students),
        ),
    )


def work_name(work: Work) -> str:
    """The name of a piece of work: its triple's id, or its teacher and data set."""
    if isinstance(work, TeacherTask):
        return f"teacher {work.teacher.name} on {work.dataset.name}"
    if isinstance(work, SpeedTask):
        return f"response times on {work.dataset.name}"
    return work.triple.triple_id

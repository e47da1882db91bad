"""Groups of examples in words."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.examples.findings import GroupFindings
from analysis.examples.groups import FEWEST_EXAMPLES, TOLERANCE, Group, Measure
from analysis.presentation import listing, percent
from search_spaces import counted

GROUPS = {
    Group.ALL: "teacher and all students",
    Group.SOME: "teacher and some students",
    Group.TEACHER: "only the teacher",
    Group.STUDENTS: "some student, not the teacher",
    Group.NONE: "none of them",
}
RIGHT = (
    "Each test example is in one group by who answers it rightly; a class is right if it is the label, a score if it "
    f"is at most {percent(TOLERANCE, 0)} of the test labels' range off the label. Answers are those of the teacher's "
    "highest-score checkpoint and of each student's best configuration, with the study's first seed. B (appendix) has "
    f"all of these groups but “{GROUPS[Group.STUDENTS]}”."
)
TEXTS = (
    "Words are runs of letters and digits, counted over both texts where there are two; word overlap is Jaccard's "
    "index of the two texts' words, case aside. Points are medians, bars reach from the first to the third quartile. "
    f"p: Kruskal-Wallis over the groups of at least {FEWEST_EXAMPLES} examples, not corrected for the number of tests: "
    "a difference, not its cause."
)


def group_sentence(found: GroupFindings) -> str | None:
    """How large the groups are, on average over data sets."""
    if not found.tasks:
        return None
    right, *others = ((GROUPS[group], percent(found.mean_share(group))) for group in Group)
    shares = [f"{right[0]} are right on {right[1]} of the examples", *(f"{who} on {share}" for who, share in others)]
    return f"On average over {counted(len(found.tasks), 'data set')}, {listing(shares, limit=len(shares))}."


def text_sentence(found: GroupFindings) -> str | None:
    """Whether what some students lose is longer, or shares more words, than what all get right."""
    parts = list(_text_parts(found))
    if not parts:
        return None
    some = "the examples that only some students get right have the higher median of"
    return f"Compared with the examples that all models get right, {some} {listing(parts)}."


def right_caption(found: GroupFindings) -> str:
    """How examples are grouped, and how far off a right score may be."""
    tolerances = [f"{task.dataset} {task.tolerance:.3g}" for task in found.tasks if task.tolerance is not None]
    return RIGHT + (f" Scores may be off by: {listing(tolerances)}." if tolerances else "")


def missing_sentence(found: GroupFindings) -> str:
    """Which answers are not there."""
    without = [f"{task.dataset} without {listing(list(task.without))}" for task in found.tasks if task.without]
    parts = [*found.missing, *without]
    return f"Missing: {'; '.join(parts)}." if parts else ""


def _text_parts(found: GroupFindings) -> Iterator[str]:
    longer, of = found.against_all(Measure.WORDS)
    if of:
        yield f"words on {longer} of {counted(of, 'data set')}"
    closer, of = found.against_all(Measure.OVERLAP)
    if of:
        yield f"word overlap on {closer} of {of} with two texts"

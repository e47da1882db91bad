"""What named configurations show, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.experiments import Experiment, ExperimentTriple
from analysis.wording import count, listing, percent, score, score_digits

SURE = 0.05


def against_sentence(triples: Sequence[ExperimentTriple]) -> str | None:
    """How often experiments are better or worse than the first beyond the noise of test examples."""
    tested = [each for triple in triples for each in triple.experiments if each.by_examples]
    if not tested:
        return None
    first = triples[0].experiments[0].name
    better = sum(each.by_examples.low > 0 for each in tested if each.by_examples)
    worse = sum(each.by_examples.high < 0 for each in tested if each.by_examples)
    return (
        f"Of {count(len(tested), 'comparison')} with {first}, {better} are better and {worse} worse beyond the noise "
        f"of the test examples (95 % intervals, which {percent(SURE, 0)} leave without any difference)."
    )


def best_sentences(triples: Iterable[ExperimentTriple]) -> Iterable[str]:
    """Of each triple the experiment that validates best, with its test score against the first's."""
    for triple in triples:
        known = [each for each in triple.experiments if each.validation is not None]
        if len(known) < 2 or known[0] is not triple.experiments[0]:
            continue
        best = max(known, key=lambda each: each.validation or 0.0)
        metric, own = triple.outcome.metric, triple.name
        reached = f"{own}: {best.name} validates best, {score(best.test, metric)} on test"
        if best is known[0]:
            yield f"{reached}; no other experiment validates better."
        else:
            yield f"{reached} against {score(known[0].test, metric)} of {known[0].name}{_interval(best, metric)}."


def fidelity_sentence(triples: Sequence[ExperimentTriple]) -> str | None:
    """Who answers as the teacher does most often."""
    found = []
    for triple in triples:
        known = [(each.fidelity.agreement, each.name) for each in triple.experiments if each.fidelity]
        if len(known) > 1:
            (share, name), (base, first) = max(known), known[0]
            own = triple.name
            found.append(f"{name} with {percent(share)} on {own} ({first}: {percent(base)})")
    return f"The student that answers as its teacher does most often: {listing(found)}." if found else None


def rows_sentence(families: Sequence[Sequence[ExperimentTriple]]) -> str | None:
    """Whether the mean gain over the first is larger with less data."""
    found = []
    for triples in families:
        gains = [_mean_gain(triple) for triple in (triples[0], triples[-1])]
        digits = score_digits(triples[0].outcome.metric)
        if gains[0] is not None and gains[1] is not None:
            few, many = (f"{gain:+.{digits}f}".replace("-", "−") for gain in gains)
            found.append(f"{few} with {triples[0].train_rows:,} rows, {many} with {triples[-1].train_rows:,}")
    return f"What learning layers gains over the first experiment, on average: {listing(found)}." if found else None


def attention_sentence(triples: Sequence[ExperimentTriple]) -> str | None:
    """How much nearer to the teacher's the attention of a student is that learns it."""
    found = [
        f"{own.divergences[own.first]:.3f} with {own.first} and {own.divergences[own.other]:.3f} with {own.other} "
        f"({triple.outcome.triple.student.name} on {triple.outcome.triple.dataset.name}, nearer in "
        f"{percent(own.closer, 0)} of the heads)"
        for triple in triples
        if (own := triple.attention)
    ]
    return f"The mean divergence from the teacher's attention is {listing(found)}." if found else None


def _mean_gain(triple: ExperimentTriple) -> float | None:
    """Of the experiments that learn layers."""
    gains = [each.by_seeds.mean for each in triple.experiments if each.configuration.teaches_layers and each.by_seeds]
    return sum(gains) / len(gains) if gains else None


def _interval(experiment: Experiment, metric: str) -> str:
    found, digits = experiment.by_examples, score_digits(metric)
    if found is None:
        return ""
    low, high = (f"{value:+.{digits}f}".replace("-", "−") for value in (found.low, found.high))
    return f" (95 % interval of the difference {low} to {high})"

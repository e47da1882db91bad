"""What named configurations show, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from analysis.experiments import Experiment, ExperimentTriple
from analysis.presentation import count, listing, percent, score, score_digits
from analysis.results import OverSeeds, over_seeds

SURE = 0.05


def against_sentence(triples: Sequence[ExperimentTriple]) -> str | None:
    """How often experiments are better or worse than the first beyond the noise of test examples."""
    tested = [each for triple in triples for each in triple.experiments if each.by_examples]
    if not tested:
        return None
    first = triples[0].experiments[0].name
    better = sum(each.by_examples.low > 0 for each in tested if each.by_examples)
    worse = sum(each.by_examples.high < 0 for each in tested if each.by_examples)
    are = "is" if better == 1 else "are"
    return (
        f"Of {count(len(tested), 'comparison')} with {first}, {better} {are} better and {worse} worse beyond the noise "
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
            found.append(f"{name} with {percent(share)} on {triple.name} ({first}: {percent(base)})")
    return f"The student that answers as its teacher does most often: {listing(found)}." if found else None


def rows_sentence(families: Sequence[Sequence[ExperimentTriple]]) -> str | None:
    """Whether the mean gain over the first is larger with less data."""
    return _gains_sentence(families, lambda triple: f"{triple.train_rows:,} rows")


def depth_sentence(families: Sequence[Sequence[ExperimentTriple]]) -> str | None:
    """Whether the mean gain over the first is larger of larger students."""
    return _gains_sentence(families, lambda triple: triple.name)


def attention_sentence(triples: Sequence[ExperimentTriple]) -> str | None:
    """How much nearer to the teacher's the attention of a student is that learns it."""
    found = [
        f"{own.divergences[own.first]:.3f} with {own.first} and {own.divergences[own.other]:.3f} with {own.other} "
        f"({triple.name}: nearer in {percent(own.closer, 0)} of the heads)"
        for triple in triples
        if (own := triple.attention)
    ]
    return f"The mean divergence from the teacher's attention is {listing(found)}." if found else None


def _gains_sentence(
    families: Sequence[Sequence[ExperimentTriple]], words: Callable[[ExperimentTriple], str]
) -> str | None:
    """The mean gains of all triples, with intervals over seeds."""
    known = [(triple, gain) for triples in families for triple in triples if (gain := _mean_gain(triple))]
    if not known:
        return None
    found = [f"{_gain_words(gain, triple.outcome.metric)} with {words(triple)}" for triple, gain in known]
    over = " (in brackets: 95 % over seeds)" if any(gain.low is not None for _, gain in known) else ""
    return f"What learning layers gains over the first experiment, mean of all that do{over}: {listing(found)}."


def _mean_gain(triple: ExperimentTriple) -> OverSeeds | None:
    """Of the experiments that learn layers, over the seeds that they and the first have."""
    first, *others = triple.experiments
    teaching = [each.test_of_seeds for each in others if each.configuration.teaches_layers]
    seeds = [seed for seed in first.test_of_seeds if all(seed in own for own in teaching)]
    return over_seeds([fmean(own[seed] for own in teaching) - first.test_of_seeds[seed] for seed in seeds if teaching])


def _gain_words(gain: OverSeeds, metric: str) -> str:
    digits = score_digits(metric)
    interval = "" if gain.low is None else f" [{gain.low:+.{digits}f}, {gain.high:+.{digits}f}]"
    return f"{gain.mean:+.{digits}f}{interval}".replace("-", "−")


def _interval(experiment: Experiment, metric: str) -> str:
    found, digits = experiment.by_examples, score_digits(metric)
    if found is None:
        return ""
    low, high = (f"{value:+.{digits}f}".replace("-", "−") for value in (found.low, found.high))
    return f" (95 % interval of the difference {low} to {high})"

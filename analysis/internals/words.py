"""What is said of named configurations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from analysis.internals.experiments import Experiment, ExperimentTriple
from analysis.internals.findings import ExperimentFindings, Families
from analysis.presentation import MISSING, listing, percent, score, score_digits
from analysis.results import OverSeeds, over_seeds
from search_spaces import counted

SURE = 0.05


def experiment_sentences(found: ExperimentFindings) -> Iterator[str | None]:
    """The best experiments, how many beat the first one, and how many agree with the teacher."""
    if not found.compares_transfer:
        yield from best_sentences(found.compared)
    yield from (against_sentence(found.compared), fidelity_sentence(found.compared))


def against_sentence(triples: Sequence[ExperimentTriple]) -> str | None:
    """How often experiments are better or worse than the first beyond the noise of test examples."""
    tested = [found for triple in triples for each in triple.experiments if (found := each.over_first.by_examples)]
    if not tested:
        return None
    better, worse = sum(found.low > 0 for found in tested), sum(found.high < 0 for found in tested)
    return (
        f"In {counted(len(tested), 'comparison')} with {triples[0].experiments[0].name}, "
        f"{counted(better, 'experiment')} {_are(better)} better and {worse} {_are(worse)} worse beyond the noise of "
        "the test examples (95 % intervals; where there is no difference, "
        f"{percent(SURE, 0)} of them show one by chance)."
    )


def best_sentences(triples: Sequence[ExperimentTriple]) -> Iterator[str]:
    """The experiment of each triple that validates best, with its test score against the first's."""
    for triple in triples:
        known = [each for each in triple.experiments if each.validation is not None]
        if len(known) < 2 or known[0] is not triple.experiments[0]:
            continue
        first, best = known[0], max(known, key=lambda each: each.validation or 0.0)
        reached = f"{triple.name}: {best.name} validates best and scores {score(best.test, triple.metric)} on test"
        if best is first:
            yield f"{reached}; no other experiment validates better."
        else:
            interval = interval_words(best, triple.metric)
            over = f" (95 % interval of the difference: {interval})" if interval else ""
            yield f"{reached}, against {score(first.test, triple.metric)} for {first.name}{over}."


def fidelity_sentence(triples: Sequence[ExperimentTriple]) -> str | None:
    """Who answers as the teacher does most often."""
    found = []
    for triple in triples:
        known = [(each.fidelity.agreement, each.name) for each in triple.experiments if each.fidelity]
        if len(known) > 1:
            (share, name), (base, first) = max(known), known[0]
            found.append(f"{name} with {percent(share)} on {triple.name} ({first}: {percent(base)})")
    return f"These students answer as their teacher does most often: {listing(found)}." if found else None


def rows_sentence(families: Families) -> str | None:
    """Whether the mean gain over the first is larger with less data."""
    return _gains_sentence(families, lambda triple: f"{triple.train_rows:,} rows")


def students_sentence(families: Families) -> str | None:
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


def signed_score(value: float | None, metric: str) -> str:
    """A difference of scores, with its sign."""
    return MISSING if value is None else f"{value:+.{score_digits(metric)}f}".replace("-", "−")


def interval_words(experiment: Experiment, metric: str) -> str:
    """The 95 % interval over test examples of an experiment against the first; "" where answers were not kept."""
    found = experiment.over_first.by_examples
    return f"{signed_score(found.low, metric)} to {signed_score(found.high, metric)}" if found else ""


def _gains_sentence(families: Families, words: Callable[[ExperimentTriple], str]) -> str | None:
    """The mean gains of all triples, with intervals over seeds."""
    known = [(triple, gain) for triples in families for triple in triples if (gain := _mean_gain(triple))]
    if not known:
        return None
    found = [f"{_gain_words(gain, triple.metric)} with {words(triple)}" for triple, gain in known]
    over = " (in brackets: 95 % intervals over seeds)" if any(gain.low is not None for _, gain in known) else ""
    return f"On average, the experiments that learn layers gain over the first one{over}: {listing(found)}."


def _mean_gain(triple: ExperimentTriple) -> OverSeeds | None:
    """The mean gain of the experiments that learn layers, over the seeds that they and the first have."""
    first, *others = triple.experiments
    teaching = [each.test_of_seeds for each in others if each.configuration.compares_layers]
    seeds = [seed for seed in first.test_of_seeds if all(seed in own for own in teaching)]
    return over_seeds([fmean(own[seed] for own in teaching) - first.test_of_seeds[seed] for seed in seeds if teaching])


def _gain_words(gain: OverSeeds, metric: str) -> str:
    interval = "" if gain.low is None else f" [{signed_score(gain.low, metric)}, {signed_score(gain.high, metric)}]"
    return f"{signed_score(gain.mean, metric)}{interval}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"

"""What is said of parameter choices, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.choices.findings import Answers, ChoiceFindings
from analysis.choices.parameters import OF_SOFTMAX, WEIGHT, ParameterEffect
from analysis.presentation import (
    MISSING,
    PARAMETERS,
    choice_words,
    listing,
    p_words,
    percent,
    signed,
    signed_percent,
    task_words,
    value_words,
)
from analysis.triples import TEST
from search_spaces import counted
from study.config import Strategy
from study.search.searchers import Reward

PAPER = (
    "(A): Sultan et al. (2024), An Empirical Investigation into the Effect of Parameter Choices in Knowledge "
    "Distillation"
)
FEW_TRIPLES = 10
DECILES = (
    "D1 to D10 are numpy.quantile(gains, k / 10) over triples; dots are the triples. A triple whose baseline is not "
    "above 0 has no relative gain: it is counted as undefined and left out."
)
DRAWS = (
    "The random choice is drawn uniformly from the choices that the search visited: the solid line takes its exact "
    "expectation per triple; the band holds 90 % of 1000 seeded draws, the dotted line their median."
)
SOME = "its choices are those that it tried, each at the best learning rate and temperature tried with it."
VISITED = {
    Strategy.GREEDY: "A search visits only some choices, so that these gains are lower bounds.",
    Strategy.GRID: "Each choice is at the best learning rate and temperature of the whole grid.",
    Strategy.RANDOM: f"The search drew configurations at random: {SOME}",
    Strategy.OPTUNA: f"Optuna proposed configurations: {SOME}",
}
STOPPED_COUNT = (
    "Trials that were stopped early count: a choice without a fully trained trial has the best scores that its stopped "
    "trials reached. More training might have raised these, so that the choice may look worse than it is."
)
STOPPED_LEFT_OUT = (
    "Trials that were stopped early do not count: the worst and the random choice are among the better ones that are "
    "left, so that gains over them are smaller than in a study that stops none."
)


def cost_sentences(found: ChoiceFindings) -> Iterator[str]:
    """What A says of figure 1: the cost at the median and at D9, against the worst and against a random choice."""
    for comparison, name in ((found.best_over_worst, "the worst choice"), (found.best_over_random, "a random choice")):
        if comparison.values:
            median, ninth = percent(comparison.decile(5)), percent(comparison.decile(9))
            triples = counted(len(comparison.known), "triple")
            yield f"Against {name}, the best choice gains {median} at the median and {ninth} at D9 ({triples})."


def cost_caption(found: ChoiceFindings) -> str:
    """How figure 1 was computed."""
    gain = (
        "Relative gain (best - baseline) / baseline per triple. Best, worst and random are over the choices that each "
        "search visited."
    )
    visited = VISITED.get(found.strategy, f"The {found.strategy} search chose configurations: {SOME}")
    return f"{_pooled(found)}A, figure 1. {gain} {DECILES} {DRAWS} {TEST} {visited}"


def effect_sentences(found: ChoiceFindings) -> Iterator[str]:
    """The strongest parameter, then the effect of each."""
    effects = [effect for effect in found.effects if effect.changes]
    sized = [effect for effect in effects if effect.typical_size is not None]
    if len(sized) > 1:
        strongest = max(sized, key=_size)
        size = percent(strongest.typical_size)
        yield f"{PARAMETERS[strongest.parameter]} moves the test score most: {size} at the median."
    yield from map(_effect_sentence, effects)


def strongest_sentence(found: ChoiceFindings) -> str | None:
    """The effect of the parameter that moves the test score most."""
    sized = [effect for effect in found.effects if effect.typical_size is not None]
    return _effect_sentence(max(sized, key=_size)) if sized else None


def effect_caption(found: ChoiceFindings) -> str:
    """How figure 2 was computed."""
    return (
        f"{_pooled(found)}A, figure 2. Each step of the search changes one parameter and tunes the rest again; the "
        f"gain is that of the alternative over the default. {DECILES} {TEST} The soft-label weight's alternative is "
        "the weight that validates best."
    )


def clearest_sentence(found: ChoiceFindings) -> str | None:
    """The effect with the smallest p-value."""
    tested = [effect for effect in found.effects if effect.p_value is not None]
    if not tested:
        return None
    return f"The clearest preference: {_effect_sentence(min(tested, key=lambda effect: effect.p_value or 0.0))}"


def stable_sentences(found: ChoiceFindings) -> Iterator[str | None]:
    """The stable configuration, and how good it is."""
    if found.stable is not None:
        state = "The stable configuration is" if found.stable_is_final else "So far the rewards point to"
        yield f"{state} {choice_words(found.stable)}; learning rate and temperature are tuned per triple."
        yield stable_sentence(found)


def stable_sentence(found: ChoiceFindings) -> str | None:
    """How often the stable configuration is at least as good as each triple's best."""
    share = found.stable_share
    if share.share is None:
        return None
    interval = f"95 % interval {percent(share.low, 0)} to {percent(share.high, 0)}"
    where = f"in {percent(share.share, 0)} of triples ({share.count} of {share.compared}; {interval})"
    return f"It is at least as good as the triple's own best {where}{_lag(found)}."


def stable_caption(found: ChoiceFindings) -> str:
    """How figure 3 was computed."""
    return (
        f"{_pooled(found)}A, figure 3. Relative difference to each triple's best choice. Stable: the choices that the "
        f"rewards pick. Lazy: a random choice at temperature 1. {DECILES} {DRAWS} {TEST}"
    )


def decisions_sentence(found: ChoiceFindings) -> str | None:
    """How many steps changed the incumbent."""
    made = [change for change in found.changes if not change.void]
    accepted = sum(change.accepted for change in made)
    return f"{accepted} of {counted(len(made), 'comparison')} changed the incumbent." if made else None


def temperature_sentence(found: ChoiceFindings) -> str | None:
    """How often a temperature above 1 is selected."""
    curves = [curve for curve in found.temperature_curves if len(curve.scores) > 1]
    above = sum(curve.choice.temperature > 1 for curve in curves)
    return f"A temperature above 1 validates best in {above} of {counted(len(curves), 'curve')}." if curves else None


def tasks_sentence(found: ChoiceFindings) -> str | None:
    """What the best choice gains in each task; None in a study of one task."""
    gains = [
        f"{signed_percent(answers.best_over_worst.decile(5))} in {task_words(task)} "
        f"({counted(len(answers.best_over_worst.known), 'triple')})"
        for task, answers in found.by_task.items()
        if answers.best_over_worst.values
    ]
    return f"By task, the best choice gains over the worst at the median {listing(gains)}." if gains else None


def versus(reward: Reward) -> str:
    """A parameter's two values: ``MSE over CE``."""
    return f"{value_words(reward.alternative)} over {value_words(reward.default)}"


def kept_tile(found: ChoiceFindings) -> Iterator[tuple[str, str]]:
    """In how many triples the stable configuration will do."""
    share = found.stable_share
    number = f"{share.count} of {share.compared}" if share.compared else MISSING
    yield number, "triples where the stable configuration is at least as good as the best"


def _pooled(found: ChoiceFindings) -> str:
    """Why deciles may pool triples of several metrics; nothing where there is one."""
    if len(found.metrics) < 2:
        return ""
    own = " Each task's own gains stand further below." if found.by_task else ""
    pooled = f"these deciles pool triples of {listing(list(found.metrics), limit=len(found.metrics))}"
    return f"Gains are shares of the baseline's score, whatever its metric: {pooled}.{own} "


def _size(effect: ParameterEffect) -> float:
    return effect.typical_size or 0.0


def _effect_sentence(effect: ParameterEffect) -> str:
    """One parameter's effect, such as ``CE validates better than MSE in 7 of 9 triples (R = −5, p = .18)``."""
    reward = effect.reward
    if not reward.wins + reward.losses + reward.ties:
        return f"{PARAMETERS[effect.parameter]}: not compared yet."
    test = f"R = {signed(reward.reward)}" + (f", sign test {p_words(effect.p_value)}" if effect.p_value else "")
    size = f"; the test score moves by {percent(effect.typical_size)} at the median" if effect.comparison.values else ""
    return f"{PARAMETERS[effect.parameter]}: {_verdict(reward)} ({test}){size}."


def _verdict(reward: Reward) -> str:
    default, alternative = value_words(reward.default), value_words(reward.alternative)
    triples = counted(reward.wins + reward.losses + reward.ties, "triple")
    if reward.reward == 0:
        tied = f"win {reward.wins} each of {triples}" if reward.wins else f"tie in {triples}"
        return f"{default} and {alternative} {tied}"
    better, worse = (alternative, default) if reward.reward > 0 else (default, alternative)
    ties = f" and ties in {reward.ties}" if reward.ties else ""
    return f"{better} validates better than {worse} in {max(reward.wins, reward.losses)} of {triples}{ties}"


def _lag(found: ChoiceFindings) -> str:
    median = found.stable_to_best.decile(5)
    if median is None:  # no best is above 0
        return ""
    if percent(abs(median)) == percent(0):
        return "; at the median it is level with it"
    return f"; at the median it is {percent(abs(median))} {'behind' if median < 0 else 'ahead'}"


def cautions(found: ChoiceFindings) -> Iterator[str]:
    """Small samples, stopped trials, differences too small to mean anything, gains that are left out."""
    triples = len(found.best_over_worst.known)
    if 0 < triples < FEW_TRIPLES:
        yield f"Small sample: deciles of {counted(triples, 'triple')} are little more than the triples themselves."
    if found.num_stopped:
        yield STOPPED_COUNT if found.include_stopped else STOPPED_LEFT_OUT
    yield from _below_resolution(found)
    yield from _undefined(found)
    yield from _without_softmax(found)


def test_cautions(found: ChoiceFindings) -> Iterator[str]:
    """Rewards that chance explains, or that say nothing."""
    weak = [PARAMETERS[e.parameter].lower() for e in found.effects if e.p_value is not None and e.p_value > 0.05]
    if weak:
        yield f"Compatible with chance (sign test, p > .05): {listing(weak)}."
    if merged := sum(effect.num_merged for effect in found.effects):
        yield f"{counted(merged, 'step')} compared a trial with itself; such a tie says nothing."
    if any(effect.parameter == WEIGHT and effect.num_tried > 1 and effect.changes for effect in found.effects):
        yield "The soft-label weight's alternative is the best of several values, which wins more often by chance."


def disagreements(found: ChoiceFindings) -> Iterator[str]:
    """Parameters whose default is better in one task and worse in another."""
    for effect in found.effects:
        rewards = {task: _reward_of(answers, effect.parameter) for task, answers in found.by_task.items()}
        if min(rewards.values(), default=0) < 0 < max(rewards.values(), default=0):
            each = [f"{signed(reward)} in {task_words(task)}" for task, reward in rewards.items() if reward]
            yield f"The tasks disagree on the {PARAMETERS[effect.parameter].lower()}: R is {listing(each)}."


def _below_resolution(found: ChoiceFindings) -> Iterator[str]:
    for comparison in (found.best_over_worst, found.stable_to_best):
        if small := comparison.num_within_one_example:
            of = f"{small} of {len(comparison.gains) - comparison.num_missing} triples"
            yield f"{comparison.name.capitalize()}: no more than one test example (1 / rows) apart in {of}."


def _undefined(found: ChoiceFindings) -> Iterator[str]:
    comparisons = [*found.comparisons, *(effect.comparison for effect in found.effects)]
    gains = [gain for comparison in comparisons for gain in comparison.gains if gain.undefined]
    if gains:
        names = sorted({gain.triple_id for gain in gains})
        left_out = f"left out of the deciles, {counted(len(gains), 'gain')} of {counted(len(names), 'triple')}"
        yield f"No relative gain where the baseline's score is not above 0: {left_out} ({listing(names)})."
    if found.best_over_random.values and found.best_over_random.draws is None:
        yield "No band of random draws: some of the drawn baselines are not above 0."


def _reward_of(answers: Answers, parameter: str) -> int:
    return next(effect.reward.reward for effect in answers.effects if effect.parameter == parameter)


def _without_softmax(found: ChoiceFindings) -> Iterator[str]:
    plain = [outcome for outcome in found.outcomes if not outcome.softmax]
    compared = [PARAMETERS[name].lower() for name in found.alternatives if name in OF_SOFTMAX]
    if plain and compared:
        tasks = listing(list(dict.fromkeys(task_words(outcome.task) for outcome in plain)))
        where = counted(len(plain), "triple")
        yield f"{tasks.capitalize()} knows no {' and no '.join(compared)}: not compared on its {where}."

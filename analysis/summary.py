"""The findings in words: what was found, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.answers import Answers
from analysis.experiment_wording import (
    against_sentence,
    best_sentences,
    depth_sentence,
    fidelity_sentence,
    rows_sentence,
)
from analysis.findings import Findings
from analysis.gains import Comparison
from analysis.outcomes import Progress, Role
from analysis.parameters import OF_SOFTMAX, WEIGHT, ParameterEffect
from analysis.scales import full_score
from analysis.shape_summary import shape_cautions, shapes_found
from analysis.transfer_wording import summarise_transfer
from analysis.wording import (
    PARAMETERS,
    choice_words,
    count,
    duration,
    listing,
    p_words,
    percent,
    score,
    signed,
    signed_percent,
    task_words,
    value_words,
)
from study.searchers.stable import Reward

FEW_TRIPLES = 10
FEW_SEEDS = 3
LITTLE = 0.1  # of the full score: a teacher that is no better than a constant answer by this has little to teach


@dataclass(frozen=True)
class Summary:
    """The study in sentences.

    Attributes:
        found: What the study found.
        cautions: What a reader must keep in mind.
        progress: What was run, what is missing.
    """

    found: tuple[str, ...]
    cautions: tuple[str, ...]
    progress: tuple[str, ...]


def summarise(findings: Findings) -> Summary:
    """The whole summary."""
    found = [*_experiments(findings), *_choices(findings), *shapes_found(findings)]
    nothing = "No search has ended yet, so there is nothing to compare."
    return Summary(
        tuple(found or [nothing]),
        (*_cautions(findings), *shape_cautions(findings)),
        tuple(_progress(findings)),
    )


def cost_sentence(comparison: Comparison, baseline: str) -> str | None:
    """What A says of figure 1: the cost at the median and at D9."""
    median, ninth = comparison.decile(5), comparison.decile(9)
    if median is None:
        return None
    where = f"at the median and {percent(ninth)} at D9 ({count(len(comparison.known), 'triple')})"
    return f"Against {baseline}, the best choice gains {percent(median)} {where}."


def effect_sentence(effect: ParameterEffect) -> str:
    """One parameter's effect, such as ``CE validates better than MSE in 7 of 9 triples (R = −5, p = .18)``."""
    reward = effect.reward
    if not reward.wins + reward.losses + reward.ties:
        return f"{PARAMETERS[effect.parameter]}: not compared yet."
    test = f"R = {signed(reward.reward)}" + (f", sign test {p_words(effect.p_value)}" if effect.p_value else "")
    size = f"; the test score moves by {percent(effect.typical_size)} at the median" if effect.comparison.values else ""
    return f"{PARAMETERS[effect.parameter]}: {_verdict(reward)} ({test}){size}."


def stable_sentence(findings: Findings) -> str | None:
    """How often the stable configuration is at least as good as each triple's best."""
    share = findings.stable_share
    if share.share is None:
        return None
    interval = f"95 % interval {percent(share.low, 0)} to {percent(share.high, 0)}"
    where = f"in {percent(share.share, 0)} of triples ({share.count} of {share.compared}; {interval})"
    return f"It is at least as good as the triple's own best {where}{_lag(findings)}."


def pooling_sentence(findings: Findings) -> str | None:
    """Why deciles may pool triples of several metrics; None where there is one."""
    if len(findings.metrics) < 2:
        return None
    own = " Each task's own gains stand further below." if findings.by_task else ""
    pooled = f"these deciles pool triples of {listing(list(findings.metrics), limit=len(findings.metrics))}"
    return f"Gains are shares of the baseline's score, whatever its metric: {pooled}.{own}"


def tasks_sentence(findings: Findings) -> str | None:
    """What the best choice gains in each task; None in a study of one task."""
    gains = [
        f"{signed_percent(answers.best_over_worst.decile(5))} in {task_words(task)} "
        f"({count(len(answers.best_over_worst.known), 'triple')})"
        for task, answers in findings.by_task.items()
        if answers.best_over_worst.values
    ]
    return f"By task, the best choice gains over the worst at the median {listing(gains)}." if gains else None


def teacher_sentence(findings: Findings) -> str | None:
    """How much of their teachers' test scores the best students keep."""
    kept = [
        (best / teacher, outcome.triple_id)
        for outcome in findings.outcomes
        if (best := outcome.final_score(Role.BEST)) is not None and (teacher := outcome.teacher_score or 0.0) > 0
    ]
    if not kept:
        return None
    (low, hardest), (high, easiest) = min(kept), max(kept)
    span = f"{percent(low)} ({hardest}) to {percent(high)} ({easiest})" if len(kept) > 1 else percent(low)
    return f"The best students keep {span} of their teacher's test score."


def _verdict(reward: Reward) -> str:
    default, alternative = value_words(reward.default), value_words(reward.alternative)
    triples = count(reward.wins + reward.losses + reward.ties, "triple")
    if reward.reward == 0:
        tied = f"win {reward.wins} each of {triples}" if reward.wins else f"tie in {triples}"
        return f"{default} and {alternative} {tied}"
    better, worse = (alternative, default) if reward.reward > 0 else (default, alternative)
    ties = f" and ties in {reward.ties}" if reward.ties else ""
    return f"{better} validates better than {worse} in {max(reward.wins, reward.losses)} of {triples}{ties}"


def _lag(findings: Findings) -> str:
    median = findings.stable_to_best.decile(5)
    if median is None:  # no best is above 0
        return ""
    if percent(abs(median)) == percent(0):
        return "; at the median it is level with it"
    return f"; at the median it is {percent(abs(median))} {'behind' if median < 0 else 'ahead'}"


def _experiments(findings: Findings) -> Iterator[str]:
    """What a study of named configurations says; D's questions instead of triple by triple where it asks them."""
    compared = findings.compared_experiments
    yield from summarise_transfer(findings.transfer) if findings.transfer else best_sentences(compared)
    yield from filter(None, (against_sentence(compared), fidelity_sentence(compared)))
    by_size = rows_sentence(findings.experiment_families), depth_sentence(findings.experiment_depths)
    yield from filter(None, by_size)


def _choices(findings: Findings) -> Iterator[str]:
    """What a study of parameter choices says; nothing where there is one configuration."""
    if findings.compares_choices:
        yield from (*_cost(findings), *_parameters(findings), *_stable(findings))
        if sentence := tasks_sentence(findings):
            yield sentence
    if sentence := teacher_sentence(findings):
        yield sentence


def _cost(findings: Findings) -> Iterator[str]:
    for comparison, baseline in (
        (findings.best_over_worst, "the worst choice"),
        (findings.best_over_random, "a random choice"),
    ):
        if sentence := cost_sentence(comparison, baseline):
            yield sentence


def _parameters(findings: Findings) -> Iterator[str]:
    effects = [effect for effect in findings.effects if effect.changes]
    sized = [(effect.typical_size, effect) for effect in effects if effect.typical_size is not None]
    if len(sized) > 1:
        size, strongest = max(sized, key=lambda pair: pair[0])
        yield f"{PARAMETERS[strongest.parameter]} moves the test score most: {percent(size)} at the median."
    yield from (effect_sentence(effect) for effect in effects)


def _stable(findings: Findings) -> Iterator[str]:
    if findings.stable is None:
        return
    state = "The stable configuration is" if findings.stable_is_final else "So far the rewards point to"
    yield f"{state} {choice_words(findings.stable)}; learning rate and temperature are tuned per triple."
    if sentence := stable_sentence(findings):
        yield sentence


def _cautions(findings: Findings) -> Iterator[str]:
    triples, seeds = len(findings.best_over_worst.known), len(findings.study.config.seeds)
    if 0 < triples < FEW_TRIPLES and findings.compares_choices:
        yield f"Small sample: deciles of {count(triples, 'triple')} are little more than the triples themselves."
    if seeds < FEW_SEEDS:
        what = "Each configuration" if findings.compares_choices else "Each student"
        yield f"{what} was trained with {count(seeds, 'seed')}: differences include the noise of seeds."
    yield from _weak_teachers(findings)
    if findings.compares_choices:
        yield from _cautions_of_choices(findings)


def _weak_teachers(findings: Findings) -> Iterator[str]:
    """Data sets on which a teacher has little to teach, and its students little to lose."""
    weak = [
        f"{record.task.teacher.name} on {record.task.dataset.name} ({score(own, metric)} against {score(base, metric)})"
        for record in findings.teachers
        if record.status.has_scores
        for own, base, metric in [
            (record.selected("highest_score").test_score, record.majority_score, record.task.dataset.metric)
        ]
        if own is not None and base is not None and own - base < LITTLE * full_score(metric)
    ]
    if weak:
        yield f"Hardly better than one answer for all, so that what students lose is mostly noise: {listing(weak)}."


def _cautions_of_choices(findings: Findings) -> Iterator[str]:
    yield from _stopped(findings)
    yield from _below_resolution(findings)
    yield from _undefined(findings)
    weak = [PARAMETERS[e.parameter].lower() for e in findings.effects if e.p_value is not None and e.p_value > 0.05]
    if weak:
        yield f"Compatible with chance (sign test, p > .05): {listing(weak)}."
    if merged := sum(effect.num_merged for effect in findings.effects):
        yield f"{count(merged, 'step')} compared a trial with itself, so that the tie says nothing."
    yield from _disagreements(findings)
    yield from _without_softmax(findings)
    if any(effect.parameter == WEIGHT and effect.num_tried > 1 and effect.changes for effect in findings.effects):
        yield "The soft-label weight's alternative is the best of several values, which wins more often by chance."


def _stopped(findings: Findings) -> Iterator[str]:
    """What it means that worse trials were not trained to their end."""
    if not findings.provenance.num_stopped:
        return
    if findings.include_stopped:
        yield (
            "Trials that were stopped early count: a choice none of whose trials was trained to its end has the scores "
            "of the best of them until then. More training might have raised these: it may look worse than it is."
        )
        return
    yield (
        "Trials that were stopped early do not count: the worst and the random choice are those of the better ones "
        "that are left, and gains over them smaller than those of a study that stops none."
    )


def _below_resolution(findings: Findings) -> Iterator[str]:
    for comparison in (findings.best_over_worst, findings.stable_to_best):
        if small := comparison.num_within_one_example:
            of = f"{small} of {len(comparison.gains) - comparison.num_missing} triples"
            yield f"{comparison.name.capitalize()}: no more than one test example (1 / rows) apart in {of}."


def _undefined(findings: Findings) -> Iterator[str]:
    comparisons = [*findings.comparisons, *(effect.comparison for effect in findings.effects)]
    gains = [gain for comparison in comparisons for gain in comparison.gains if gain.undefined]
    if gains:
        names = sorted({gain.triple_id for gain in gains})
        left_out = f"left out of the deciles, {count(len(gains), 'gain')} of {count(len(names), 'triple')}"
        yield f"No relative gain where the baseline's score is not above 0: {left_out} ({listing(names)})."
    if findings.best_over_random.values and findings.best_over_random.draws is None:
        yield "No band of random draws: some of the drawn baselines are not above 0."


def _disagreements(findings: Findings) -> Iterator[str]:
    """Parameters whose default is better in one task and worse in another."""
    for effect in findings.effects:
        rewards = {task: _reward_of(answers, effect.parameter) for task, answers in findings.by_task.items()}
        if min(rewards.values(), default=0) < 0 < max(rewards.values(), default=0):
            each = [f"{signed(reward)} in {task_words(task)}" for task, reward in rewards.items() if reward]
            yield f"The tasks disagree on the {PARAMETERS[effect.parameter].lower()}: R is {listing(each)}."


def _reward_of(answers: Answers, parameter: str) -> int:
    return next(effect.reward.reward for effect in answers.effects if effect.parameter == parameter)


def _without_softmax(findings: Findings) -> Iterator[str]:
    plain = [outcome for outcome in findings.outcomes if not outcome.softmax]
    compared = [PARAMETERS[name].lower() for name, _ in findings.study.space.alternatives() if name in OF_SOFTMAX]
    if plain and compared:
        tasks = listing(list(dict.fromkeys(task_words(outcome.task) for outcome in plain)))
        where = count(len(plain), "triple")
        yield f"{tasks.capitalize()} knows no {' and no '.join(compared)}: not compared on its {where}."


def _progress(findings: Findings) -> Iterator[str]:
    run, outcomes = findings.provenance, findings.outcomes
    states = [outcome.progress for outcome in outcomes]
    counted = [f"{states.count(state)} {state}" for state in Progress if states.count(state)]
    yield f"{count(len(outcomes), 'triple')}: {listing(counted)}."
    spent = f"{duration(run.trial_hours)} of work in trials, {duration(run.teacher_hours)} in teachers"
    yield f"{count(run.num_trials, 'trial')} and {count(run.num_teachers, 'teacher')}: {spent}."
    if findings.study.config.speed is not None:
        pairs = len(findings.study.teacher_pairs)
        yield f"Response times: measured on {len(findings.speeds)} of {count(pairs, 'pair')} of teacher and data set."
    if run.num_stopped:
        how = "they count by their best validation until then" if findings.include_stopped else "they do not count"
        yield f"{count(run.num_stopped, 'trial')} stopped early ({findings.study.config.search.stopping}); {how}."
    if run.failures:
        named = list(dict.fromkeys(f"{failure.where} ({failure.kind})" for failure in run.failures))
        yield f"{count(len(run.failures), 'failure')}: {listing(named)}."
    if findings.num_missing:
        cells = len(outcomes) * len(findings.roles)
        yield f"{findings.num_missing} of {cells} scores are missing; nothing is filled in for them."
    if run.num_extra:
        yield f"{count(run.num_extra, 'trial')} that the search has not asked for: kept in the ledger, not used here."
    if run.num_unused:
        yield f"{count(run.num_unused, 'record')} of other data, models or recipes: kept in the ledger, not used here."

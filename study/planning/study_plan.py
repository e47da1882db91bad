"""The plan of a study: triples, trials, hours and disk, before anything starts."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from search_spaces import (
    UNFREEZING_SCHEDULES,
    Configuration,
    LayerMap,
    SearchSpace,
    StudentTemperature,
    counted,
    layer_map,
)
from study.config import SearchConfig, Strategy, Study
from study.planning.model_sizes import (
    StudySizes,
    attention_memory,
    embedding_weights,
    forward_path,
    hidden_size,
    layer_weights,
    num_parameters,
    token_weights,
    trial_memory,
)
from study.search.searchers import full_grid, make_search, simulate_requests
from trials.models import (
    HEAD_COUNT_KEYS,
    NUM_RECURRENT_PARTS,
    Config,
    config_key,
    layer_counts,
    why_not_packed,
)
from trials.specs import StudentSpec, Triple
from trials.tasks import Head, task_of
from trials.teachers import CPU_FLOPS, GPU_FLOPS, MAP_BYTES, is_caching_cheaper
from trials.training import training_stages

BYTES_PER_WEIGHT = 4
BYTES_PER_TOKEN = 5


@dataclass(frozen=True)
class Plan:
    """The plan of a study.

    Attributes:
        triples: Triple ids.
        teachers: The (teacher, data set) pairs to prepare.
        strategy: The search strategy.
        fewest, most: Bounds on the trials of a triple, with all seeds and the reference configurations.
        fewest_in_all, most_in_all: Bounds on the trials of all triples.
        experiments: Names of the experiments, if the study has some.
        temperatures: Temperatures of the exhaustive grid: all that greedy search could visit.
        exhaustive_grid: Number of distinct configurations of that grid, with learning rates, for a task with logits.
        choices_visited, choices_in_space: Combinations of choices at the default soft-label weight, by greedy and grid.
        grid_per_triple: Number of distinct configurations of the full grid per triple, without learning rates.
        grid_paper: The same number as paper A counts it, where MSE has no temperature.
        learning_rates, seeds: Their numbers.
        hours: Estimated hours of one worker for `most` trials and the teachers; None if a size is not known here.
        disk_gigabytes: Estimated disk use; None if a size is not known here.
        memory_gigabytes: Estimated memory of the largest trial; None if a size is not known here.
        forward: Fast or slow path of each model whose configuration is known.
        students: Layers, heads, width, parameters and initialisation of each student whose source is known.
        layer_maps: Pairs of compared layers, by student and teacher.
        stages: Stages of training layer by layer, by student and teacher.
        attention: Whether teachers' attention maps are kept or computed for each batch, by triple.
        unknown: Data sets and models of unknown size, which are not on this machine.
    """

    triples: tuple[str, ...]
    teachers: tuple[tuple[str, str], ...]
    strategy: str
    fewest: int
    most: int
    fewest_in_all: int
    most_in_all: int
    experiments: tuple[str, ...]
    temperatures: tuple[float, ...]
    exhaustive_grid: int
    choices_visited: int
    choices_in_space: int
    grid_per_triple: int
    grid_paper: int
    learning_rates: int
    seeds: int
    hours: float | None
    disk_gigabytes: float | None
    memory_gigabytes: float | None
    forward: dict[str, str]
    students: dict[str, str]
    layer_maps: dict[str, str]
    stages: dict[str, str]
    attention: dict[str, str]
    unknown: tuple[str, ...]


def make_plan(study: Study) -> Plan:
    """Plan a study. Hours, disk and memory are unknown if the size of a data set or model is unknown."""
    fewest, most = trial_bounds(study)
    fewest_in_all, most_in_all = total_trial_bounds(study)
    sizes = StudySizes.of(study)
    known = not sizes.missing
    return Plan(
        triples=tuple(triple.triple_id for triple in study.triples),
        teachers=tuple((teacher.name, dataset.name) for teacher, dataset in study.teacher_pairs),
        strategy=str(study.config.search.strategy),
        fewest=fewest,
        most=most,
        fewest_in_all=fewest_in_all,
        most_in_all=most_in_all,
        experiments=tuple(study.space.named()) if study.config.search.strategy is Strategy.EXPERIMENTS else (),
        temperatures=tuple(sorted(study.space.temperature.reachable())),
        exhaustive_grid=len(full_grid(study.space, False, True)),
        choices_visited=1 + len(list(study.space.alternatives())),
        choices_in_space=len(list(study.space.combinations())),
        grid_per_triple=study.space.grid_size(),
        grid_paper=study.space.grid_size(scaled_mse=False),
        learning_rates=len(study.space.learning_rates),
        seeds=len(study.config.seeds),
        hours=_seconds(study, sizes).total_seconds(study) / 3600 if known else None,
        disk_gigabytes=_bytes(study, sizes) / 1e9 if known else None,
        memory_gigabytes=_memory(study, sizes) / 1e9 if known else None,
        forward={name: forward_path(config) for name, config in sizes.models.items() if "model_type" in config},
        students={
            student.name: _shape(student, sizes.student(study, student))
            for student in study.config.students
            if study.student_source(student)[0] in sizes.models
        },
        layer_maps=_layer_maps(study, sizes),
        stages=dict(_stages(study, sizes)),
        attention={
            triple: f"{size / 1e9:.2f} GB" if size else "computed for each batch"
            for triple, size in (_map_bytes(study, sizes) if known else {}).items()
        },
        unknown=sizes.missing,
    )


def _shape(student: StudentSpec, config: Config) -> str:
    """A student's shape as text."""
    layers = " and ".join(
        counted(depth, key.removesuffix("s").replace("_", " ")) for key, depth in layer_counts(config).items()
    )
    if student.is_recurrent:
        words = (
            f"{student.architecture}, {config['hidden_size']} units each way, embeddings of {config['embedding_size']}"
        )
        return f"{words}, about {num_parameters(config) / 1e6:.1f} million parameters"
    heads = config.get(config_key(config, HEAD_COUNT_KEYS))
    shape = [layers, counted(heads, "head") if heads else "", f"width {hidden_size(config)}"]
    if "decoder_layers" not in layer_counts(config):
        shape.append(f"{num_parameters(config) / 1e6:.1f} million parameters")
    chosen = student.layer_choice
    start = f"init {student.init}" if chosen is None else f"init from layers {', '.join(map(str, chosen))} (from 0)"
    return ", ".join(part for part in (*shape, start) if part)


def _taught(study: Study, sizes: StudySizes) -> Iterator[tuple[str, str, Configuration, LayerMap]]:
    """Student, teacher, configuration and layer map for all compared layers; `doctor` reports maps that do not fit."""
    teaching = [each for each in study.tried if each.compares_layers]
    pairs = dict.fromkeys((triple.teacher.name, triple.student.name) for triple in study.triples)
    triples = {(triple.teacher.name, triple.student.name): triple for triple in study.triples}
    for triple in map(triples.__getitem__, pairs if teaching else ()):
        teacher = sizes.models.get(study.teacher_source(triple.teacher, triple.dataset)[0])
        if teacher is None or study.student_source(triple.student)[0] not in sizes.models:
            continue
        deep, own = (layer_counts(c).get("layers", 0) for c in (teacher, sizes.student(study, triple.student)))
        for configuration in teaching:
            with contextlib.suppress(ValueError):
                yield (
                    triple.student.name,
                    triple.teacher.name,
                    configuration,
                    layer_map(configuration.layer_map, own, deep),
                )


def _layer_maps(study: Study, sizes: StudySizes) -> dict[str, str]:
    """The layer maps of each pair of student and teacher, usually one."""
    found: dict[str, list[str]] = {}
    for student, teacher, _, pairs in _taught(study, sizes):
        words = ", ".join(f"{own}-{other}" for own, other in pairs)
        known = found.setdefault(f"{student} of {teacher}", [])
        if words not in known:
            known.append(words)
    return {pair: "; or ".join(maps) for pair, maps in found.items()}


def _stages(study: Study, sizes: StudySizes) -> Iterator[tuple[str, str]]:
    """Stages as text, for each configuration and pair that has several."""
    names = {configuration: name for name, configuration in study.space.named().items()}
    for configuration in (each for each in study.tried if each.schedule in UNFREEZING_SCHEDULES):
        stages = training_stages(configuration.canonical(), parts=NUM_RECURRENT_PARTS)
        words = "; ".join(f"{number}. {stage}" for number, stage in enumerate(stages, start=1))
        yield names.get(configuration, str(configuration.schedule)), words
    for student, teacher, configuration, pairs in _taught(study, sizes):
        stages = training_stages(configuration.canonical(), pairs)
        if len(stages) > 1:
            name = names.get(configuration, f"{configuration.schedule}, {configuration.classification_loss}")
            words = "; ".join(f"{number}. {stage}" for number, stage in enumerate(stages, start=1))
            yield f"{name}: {student} of {teacher}", words


def _map_bytes(study: Study, sizes: StudySizes) -> dict[str, float]:
    """Bytes of the kept attention maps of each triple that compares attention; 0 if they are not kept."""
    pairs = {(s, t, pairs) for s, t, each, pairs in _taught(study, sizes) if each.attention_weight}
    found: dict[str, float] = {}
    for triple in study.triples:
        teacher = sizes.models[study.teacher_source(triple.teacher, triple.dataset)[0]]
        size, length = sizes.data[triple.dataset.name], study.student_recipe(triple.dataset).max_length
        flops, heads = (
            2 * layer_weights(teacher) * size.tokens(length),
            teacher.get(config_key(teacher, HEAD_COUNT_KEYS), 0),
        )
        squares = sum(tokens**2 for tokens in size.lengths(length))
        own = [held for s, t, held in pairs if (s, t) == (triple.student.name, triple.teacher.name)]
        for layers in {tuple(sorted({other for _, other in held})) for held in own}:
            numbers = squares * heads * len(layers)
            packed = why_not_packed(teacher) is None and why_not_packed(sizes.student(study, triple.student)) is None
            kept = not packed or is_caching_cheaper(numbers, flops, gpu=study.config.resources.gpu > 0)
            found[triple.triple_id] = found.get(triple.triple_id, 0.0) + kept * MAP_BYTES * numbers
    return found


def trial_bounds(study: Study) -> tuple[int, int]:
    """Fewest and most trials of a triple, with all seeds, the lazy baseline and the stable configuration."""
    bounds = [triple_bounds(study, triple) for triple in study.triples]
    return min(fewest for fewest, _ in bounds), max(most for _, most in bounds)


def total_trial_bounds(study: Study) -> tuple[int, int]:
    """Fewest and most trials of all triples."""
    bounds = [triple_bounds(study, triple) for triple in study.triples]
    return sum(fewest for fewest, _ in bounds), sum(most for _, most in bounds)


def triple_bounds(study: Study, triple: Triple) -> tuple[int, int]:
    """Fewest and most trials of one triple. The teacher's checkpoints and the scores decide the actual number.

    A student without a teacher does the experiments alone that need none.
    """
    search, seeds = study.config.search, len(study.config.seeds)
    softmax = task_of(triple.dataset).softmax
    space = study.space if triple.student.distil else study.space.without_teacher()
    fewest, most = search_bounds(space, search, softmax)
    lazy = len(study.space.learning_rates) if "lazy" in search.evaluate else 0
    stable = max_configurations_per_choice(study.space, search, softmax) if "stable" in search.evaluate else 0
    return fewest * seeds, (most + lazy + stable) * seeds


@lru_cache(maxsize=32)
def search_bounds(
    space: SearchSpace, search: SearchConfig, softmax: bool, one_checkpoint: bool | None = None
) -> tuple[int, int]:
    """Fewest and most configurations of a triple's search; both kinds of teacher if None.

    Where scores decide how many it tries, they are found by running the search on scores that send it down each of its
    paths.
    """
    kinds = (True, False) if one_checkpoint is None else (one_checkpoint,)
    budgets = [make_search(space, search, one_checkpoint=kind, softmax=softmax).budget for kind in kinds]
    counts = [budget for budget in budgets if budget is not None]
    if not counts:
        paths = [path for path in _paths(space) if path.one_checkpoint in kinds]
        counts = [len(_trials_of(space, search, path, softmax)) for path in paths]
    return min(counts), max(counts)


@lru_cache(maxsize=32)
def max_configurations_per_choice(space: SearchSpace, search: SearchConfig, softmax: bool) -> int:
    """Maximum number of configurations that the tuning of one choice requests."""
    alone = space.model_copy(
        update={
            "choices": space.choices.model_copy(
                update={name: each[:1] for name, each in space.choice_values().items()}
            ),
            "soft_label_weight": space.soft_label_weight.model_copy(update={"then": ()}),
        }
    )
    return max(len(_trials_of(alone, search, path, softmax)) for path in _paths(alone))


Preference = dict[str, Any]


@dataclass(frozen=True)
class _Path:
    """Preferences that lead a search along one of its paths: choices, temperature, learning rates, kind of teacher."""

    choices: Preference
    temperature: float
    rates: dict[StudentTemperature, float]
    one_checkpoint: bool

    def score(self, configuration: Configuration) -> float:
        """Choices count most, then the temperature, then the learning rate."""
        liked = sum(getattr(configuration, name) == value for name, value in self.choices.items())
        off_rate = configuration.learning_rate != self.rates[configuration.student_temperature]
        return liked - abs(configuration.temperature - self.temperature) / 1e3 - off_rate / 1e5


def _paths(space: SearchSpace) -> Iterator[_Path]:
    """Enough paths to include those with the fewest and the most trials."""
    names, values = zip(*space.choice_values().items(), strict=True)
    coarse, rates = space.temperature.coarse(), space.learning_rates
    temperatures = dict.fromkeys((coarse[0], coarse[len(coarse) // 2], coarse[-1]))
    for combination, temperature, one_rate, one_checkpoint in itertools.product(
        itertools.product(*values), temperatures, {rates[0], rates[-1]}, (False, True)
    ):
        preferred = {StudentTemperature.EQUAL: rates[0], StudentTemperature.ONE: one_rate}
        yield _Path(dict(zip(names, combination, strict=True)), temperature, preferred, one_checkpoint)


def _trials_of(space: SearchSpace, config: SearchConfig, path: _Path, softmax: bool) -> set[Configuration]:
    """The configurations that a search visits on a path."""
    search = make_search(space, config, one_checkpoint=path.one_checkpoint, softmax=softmax)
    requests = simulate_requests(search, lambda configuration: path.score(configuration.for_task(softmax)))
    return {configuration.for_task(softmax) for request in requests for configuration in request}


@dataclass(frozen=True)
class PlannedSeconds:
    """Seconds of work, from its floating-point operations and the assumed speed of one worker.

    Attributes:
        trials: Seconds of a trial, by triple.
        teachers: Seconds of a teacher's preparation, by teacher and data set.
        speeds: Seconds of a measurement of response times, by teacher and data set; empty if the study has none.
    """

    trials: dict[str, float]
    teachers: dict[tuple[str, str], float]
    speeds: dict[tuple[str, str], float]

    def total_seconds(self, study: Study) -> float:
        """Seconds of the maximum number of trials, of all teachers, and of response times."""
        trials = sum(triple_bounds(study, triple)[1] * self.trials[triple.triple_id] for triple in study.triples)
        return trials + sum(self.teachers.values()) + sum(self.speeds.values())


def planned_seconds(study: Study) -> PlannedSeconds | None:
    """Planned seconds; None if the size of a data set or model is unknown."""
    sizes = StudySizes.of(study)
    return None if sizes.missing else _seconds(study, sizes)


def _seconds(study: Study, sizes: StudySizes) -> PlannedSeconds:
    """Operations divided by the assumed speed: 6 per weight and token in training, 2 in a forward pass alone.

    If the teacher's attention is computed for each batch, its forward pass counts too.
    """
    resources, kept = study.config.resources, _map_bytes(study, sizes)
    rate = GPU_FLOPS * resources.gpu if resources.gpu else CPU_FLOPS * resources.cpu
    attentive = sum(each.attention_weight > 0 for each in study.tried) / len(study.tried)  # of the trials
    planned = PlannedSeconds({}, {}, {})
    for triple in study.triples:
        recipe, size = study.student_recipe(triple.dataset), sizes.data[triple.dataset.name]
        forward = 2 * token_weights(sizes.models[study.teacher_source(triple.teacher, triple.dataset)[0]])
        again = forward * attentive if kept.get(triple.triple_id) == 0 else 0.0
        weights, trained = token_weights(sizes.student(study, triple.student)), size.epoch_tokens(recipe.max_length)
        evaluated = 2 * weights * size.evaluated_tokens(recipe)
        planned.trials[triple.triple_id] = ((6 * weights + again) * trained * recipe.epochs + evaluated) / rate
    for teacher, dataset in study.teacher_pairs:
        recipe, size = study.teacher_recipe(teacher, dataset), sizes.data[dataset.name]
        weights = token_weights(sizes.models[study.teacher_source(teacher, dataset)[0]])
        trained, evaluated = size.tokens(recipe.max_length) * recipe.epochs, size.evaluated_tokens(recipe)
        planned.teachers[teacher.name, dataset.name] = weights * (6 * trained + 2 * evaluated) / rate
        if settings := study.config.speed:
            own = [t.student for t in study.triples if (t.teacher, t.dataset) == (teacher, dataset)]
            weights += sum(token_weights(sizes.student(study, student)) for student in own)
            most = settings.max_length or recipe.max_length
            padded = settings.forward != "kdstudy"  # the packed forward pads nothing
            tokens = settings.rows * size.padded_row_tokens(most, settings.batch_size if padded else 1)
            passes = settings.warm_up + settings.rounds
            planned.speeds[teacher.name, dataset.name] = 2 * weights * tokens * passes / rate
    return planned


def _memory(study: Study, sizes: StudySizes) -> float:
    """Bytes of memory of the largest trial; trials side by side share a process, but not their weights."""
    maps = _map_bytes(study, sizes)

    def of(triple: Triple) -> float:
        size, recipe = sizes.data[triple.dataset.name], study.student_recipe(triple.dataset)
        student, row_tokens = sizes.student(study, triple.student), size.tokens(recipe.max_length) / size.rows
        own = trial_memory(student, recipe, row_tokens)
        if triple.triple_id not in maps:
            return own
        teacher, layers = (
            sizes.models[study.teacher_source(triple.teacher, triple.dataset)[0]],
            sum(layer_counts(student).values()),
        )
        kept = maps[triple.triple_id] > 0
        return own + attention_memory(teacher, recipe, row_tokens, layers, kept=kept)

    return max(of(triple) for triple in study.triples)


def _bytes(study: Study, sizes: StudySizes) -> float:
    """Bytes on disk: teachers (two checkpoints with outputs, and the untrained one), token ids, untrained students."""
    total = len(study.space.choices.teacher_checkpoint) * sum(_map_bytes(study, sizes).values())
    for teacher, dataset in study.teacher_pairs:
        config, size = sizes.models[study.teacher_source(teacher, dataset)[0]], sizes.data[dataset.name]
        total += 3 * BYTES_PER_WEIGHT * (layer_weights(config) + embedding_weights(config))
        recipe = study.teacher_recipe(teacher, dataset)
        total += 2 * size.output_bytes(recipe, hidden_size(config))
        total += BYTES_PER_TOKEN * size.tokens(recipe.max_length)
        if size.transfer is not None:
            total += 2 * size.transfer.output_bytes(recipe, hidden_size(config))
            total += BYTES_PER_TOKEN * size.transfer.tokens(recipe.max_length)
        if any(each.representation_weight for each in study.tried):  # of the last layer, one a text
            rows = size.rows if size.transfer is None else size.transfer.rows
            total += 2 * BYTES_PER_WEIGHT * rows * hidden_size(config)
        if any(each.compares_layers for each in study.tried):  # of each text's first token
            of_checkpoint = BYTES_PER_WEIGHT * size.rows * sum(layer_counts(config).values()) * hidden_size(config)
            total += len(study.space.choices.teacher_checkpoint) * of_checkpoint
        if task_of(dataset).head is Head.SEQ2SEQ and recipe.teacher_top_k is None:  # the output heads, with the states
            total += 2 * BYTES_PER_WEIGHT * embedding_weights(config)
    for triple in study.triples:
        config = sizes.student(study, triple.student)
        weights = layer_weights(config) + embedding_weights(config)
        total += len(study.config.seeds) * BYTES_PER_WEIGHT * weights
    return total

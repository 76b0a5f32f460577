"""Linear models compared with scikit-learn, and their folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from papertrail.core.errors import DataError
from papertrail.models.linear import (
    Extractor,
    LinearModel,
    embed_texts,
    fit_regression,
    fit_vectorizer,
    load_linear,
    to_logits,
)
from papertrail.models.sentence_encoder import load_encoder
from tests.fixtures.tiny_bert import write_tiny_bert

TEXTS = ["we use a tree", "we show a graph", "the graph is poor", "a tree and a tree", "we use the graph", "poor tree"]
LABELS = [0, 1, 2, 0, 1, 2]


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("encoder"))


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("labels", [LABELS, [0, 1, 1, 0, 1, 1]])
def test_probabilities_are_those_of_the_library(labels: list[int], balanced: bool) -> None:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform(TEXTS)
    weights = "balanced" if balanced else None
    library = LogisticRegression(C=3.0, max_iter=1000, class_weight=weights).fit(features, labels)
    found = fit_regression(fit_vectorizer(TEXTS).transform(TEXTS), labels, max(labels) + 1, 3.0, balanced=balanced)
    assert found.predict(features) == pytest.approx(library.predict_proba(features), abs=1e-9)


@pytest.mark.parametrize("labels", [[0, 3, 3, 0, 3, 3], [1] * 6, [0, 1, 3, 0, 1, 3]])
def test_a_class_without_examples_has_probability_zero(labels: list[int]) -> None:
    probabilities = fit_regression(np.eye(6), labels, 4, 1.0, balanced=False).predict(np.eye(6))
    absent = sorted(set(range(4)) - set(labels))
    assert (probabilities[:, absent] == 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(6))
    assert (probabilities[:, sorted(set(labels))] > 0).all()


def test_labels_outside_the_classes_are_an_error() -> None:
    with pytest.raises(DataError, match=r"training labels: \[2\]; expected at least one, all in 0..1"):
        fit_regression(np.eye(2), [2, 2], 2, 1.0, balanced=False)


def test_texts_without_words_are_an_error() -> None:
    with pytest.raises(DataError, match="none of 2 training texts has a word; check the input columns"):
        fit_vectorizer(["", "a ?"])


def test_logits_give_the_probabilities_back() -> None:
    probabilities = np.array([[0.25, 0.75, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert softmax(to_logits(probabilities), axis=1) == pytest.approx(probabilities, abs=1e-15)


@pytest.mark.parametrize("features", [["tfidf"], ["embeddings"], ["tfidf", "embeddings"]])
def test_a_saved_model_predicts_the_same(features: list[str], encoder_folder: Path, tmp_path: Path) -> None:
    encoder, vectorizer = load_encoder(encoder_folder, 8, "cpu"), fit_vectorizer(TEXTS)
    inputs = {"tfidf": vectorizer.transform(TEXTS), "embeddings": embed_texts(encoder, TEXTS, 4)}
    model = LinearModel(
        labels=["a", "b", "c"],
        regressions={part: fit_regression(inputs[part], LABELS, 3, 10.0, balanced=False) for part in features},
        extractor=Extractor(vectorizer, encoder).only(features),
    )
    model.save(str(tmp_path))
    loaded = load_linear(tmp_path, 8, "cpu")
    texts = [*TEXTS, "an unknown word", ""]
    expected = model.predict(texts, 4)
    assert loaded.predict(texts, 4) == pytest.approx(expected, abs=0)
    parts = [model.regressions[part].predict(inputs[part]) for part in features]
    assert expected[: len(TEXTS)] == pytest.approx(np.mean(parts, axis=0))
    assert loaded.labels == ["a", "b", "c"]
    assert (tmp_path / "encoder/model.safetensors").is_file() == ("embeddings" in features)
    assert (tmp_path / "vocabulary.json").is_file() == ("tfidf" in features)
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["features"] == features


def test_only_the_encoder_cuts_a_text(encoder_folder: Path) -> None:
    long = "tree " * 20
    extractors = (Extractor(None, None), Extractor(None, load_encoder(encoder_folder, 8, "cpu")))
    plain, cutting = (LinearModel(labels=[], regressions={}, extractor=extractor) for extractor in extractors)
    assert [plain.is_cut(long), cutting.is_cut(long), cutting.is_cut("tree")] == [False, True, False]

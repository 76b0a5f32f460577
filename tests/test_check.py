"""What a stage would refuse is told before DVC removes anything."""

from pathlib import Path
from typing import Any

import pytest

from scholar.check import check
from scholar.errors import ParamsError
from scholar.params import load_params
from tests.fixtures.commands import run_python, write_params
from tests.test_params import put


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "datasets.aclsum_ner.examples.train",
            -5,
            "datasets.aclsum_ner: examples.train: input should be greater than 0",
        ),
        ("datasets.aclsum_ner.format", "xml", "datasets.aclsum_ner: format: one of 's2orc', 'conll' was expected"),
        (
            "datasets.aclsum_category.venues",
            {"a": ["acl"], "b": ["emnlp", "("]},
            "datasets.aclsum_category: venues.b: value error, not a regular expression: missing )",
        ),
        (
            "datasets.aclsum_ner.source",
            "aclsun",
            "datasets.aclsum_ner.source: unknown source 'aclsun'; did you mean 'acl",
        ),
        (
            "runs.ner-base.head",
            "token_clasification",
            "runs.ner-base.head: unknown head 'token_clasification'; did you mean 'token_classification'?",
        ),
        (
            "runs.ner-base.inputs",
            ["tokns"],
            "runs.ner-base.inputs: unknown column of aclsum_ner 'tokns'; did you mean 'tokens'?",
        ),
        *(
            (
                f"{place}.encoder",
                "data/raw/minilmm",
                f"{place}.encoder: unknown encoder 'data/raw/minilmm'; did you mean ",
            )
            for place in ("runs.ner-base", "retrievers.search-base", "summarizers.summary-base", "pretraining")
        ),
    ],
)
def test_what_a_stage_would_refuse(tmp_path: Path, path: str, value: object, expected: str) -> None:
    file = write_params(tmp_path, put(path, value))
    with pytest.raises(ParamsError) as caught:
        check(load_params(file), file)
    assert str(caught.value).startswith(f"{file}: {expected}")
    assert "\n" not in str(caught.value)


def test_all_problems_in_one_message(tmp_path: Path) -> None:
    def change(params: dict[str, Any]) -> None:
        params["datasets"]["other"] = {"task": "nre"}
        put("datasets.aclsum_text.min_words", 0)(params)
        put("datasets.aclsum_ner.examples", {})(params)
        put("runs.ner-base.head", "")(params)

    file = write_params(tmp_path, change)
    with pytest.raises(ParamsError) as caught:
        check(load_params(file), file)
    told = str(caught.value).split("\n")
    assert all(line.startswith(f"{file}: ") for line in told)
    places = [line.removeprefix(f"{file}: ").partition(": ")[0] for line in told]
    expected = ["datasets.aclsum_ner"] * 3
    expected += ["datasets.aclsum_text", "datasets.other.task", "runs.ner-base.head"]
    assert places == expected


@pytest.mark.parametrize("encoder", ["models/pretrained", "models/intent-base", "data/raw/minilm/onnx"])
def test_encoders_that_the_pipeline_has(tmp_path: Path, encoder: str) -> None:
    file = write_params(tmp_path, put("runs.ner-base.encoder", encoder))
    check(load_params(file), file)


def test_make_repro_asks_first(repo: Path, tmp_path: Path) -> None:
    recipe = (repo / "Makefile").read_text(encoding="utf-8").partition("\nrepro:")[2].split("\n\n")[0].split("\n\t")
    assert [line.partition(" #")[0] for line in recipe[1:]] == ["python -m scholar.check", "dvc repro"]
    write_params(tmp_path, put("datasets.aclsum_ner.examples.train", -5))
    done = run_python(tmp_path, "-m", "scholar.check")
    assert done.returncode == 1
    assert done.stderr.startswith("error: params.yaml: datasets.aclsum_ner: examples.train: input should be")


def test_torch_is_not_loaded(repo: Path) -> None:
    code = "import sys, scholar.check; scholar.check.main(); sys.exit('torch' in sys.modules)"
    done = run_python(repo, "-c", code)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_machine_is_checked(tmp_path: Path) -> None:
    write_params(tmp_path, put("runtime.precision", "bf16"))
    done = run_python(tmp_path, "-m", "scholar.check")
    assert (done.returncode, "bf16 needs runtime.level: native" in done.stderr) == (1, True)

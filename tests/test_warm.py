"""The pipeline in one process: the order of its stages, and what it says when one fails."""

from pathlib import Path

import pytest

from scholar.errors import ScholarError
from scholar.warm import list_stages, main


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of pygtrie, which DVC uses
def test_each_stage_comes_after_what_it_needs(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    commands = [" ".join(command) for command in list_stages([]).values()]
    assert len(commands) == len(set(commands)) > 20

    def place(command: str) -> int:
        return commands.index(f"stages.{command}")

    assert (
        place("fetch minilm") < place("pretrain") < place("finetune ner-pretrained") < place("evaluate ner-pretrained")
    )
    assert place("prepare aclsum_search") < place("finetune_retriever search-base") < place("index papers")


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")
def test_targets_and_what_they_need(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    needed = ["fetch@aclsum", "fetch@minilm", "prepare@aclsum_ner", "finetune@ner-base", "evaluate@ner-base"]
    assert sorted(list_stages(["evaluate@ner-base"])) == sorted(needed)
    fetches = list_stages(["fetch", "evaluate@ner-base"])  # a whole group of stages, too
    assert sorted(fetches) == sorted([*needed, "fetch@smollm2"])
    assert fetches["fetch@smollm2"] == ["stages.fetch", "smollm2"]
    with pytest.raises(ScholarError, match=r"'evaluate@ner-bse' not found .*tells the names"):
        list_stages(["evaluate@ner-bse"])


def test_only_the_targets_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr("scholar.warm._dvc", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(
        "scholar.warm.list_stages", lambda targets: {f"fetch@{t}": ["stages.fetch", t] for t in targets}
    )
    monkeypatch.setattr("sys.argv", ["warm", "one", "two"])
    main()
    assert asked == [("repro", "fetch@one", "fetch@two"), ("commit", "--force", "fetch@one", "fetch@two")]


def test_a_stage_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scholar.warm._dvc", lambda *_: None)
    monkeypatch.setattr("scholar.warm.list_stages", lambda _: {"pretrain": ["stages.pretrain"]})  # without params.yaml
    monkeypatch.setattr("sys.argv", ["warm"])
    with pytest.raises(ScholarError, match=r"stages\.pretrain failed"):
        main()

"""The pipeline in one process: the order of its stages, and what it says when one fails."""

from pathlib import Path

import pytest

from scholar.errors import ScholarError
from scholar.warm import list_commands, main


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of pygtrie, which DVC uses
def test_each_stage_comes_after_what_it_needs(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    commands = [" ".join(command) for command in list_commands()]
    assert len(commands) == len(set(commands)) > 20

    def place(command: str) -> int:
        return commands.index(f"stages.{command}")

    assert (
        place("fetch minilm") < place("pretrain") < place("finetune ner-pretrained") < place("evaluate ner-pretrained")
    )
    assert place("prepare aclsum_search") < place("finetune_retriever search-base") < place("index papers")


def test_a_stage_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scholar.warm._dvc", lambda *_: None)
    monkeypatch.setattr("scholar.warm.list_commands", lambda: [["stages.pretrain"]])  # without params.yaml
    with pytest.raises(ScholarError, match=r"stages\.pretrain failed"):
        main()

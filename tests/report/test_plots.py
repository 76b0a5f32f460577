"""Plots of the test split, collected from the predictions of all models."""

from pathlib import Path

from papertrail.report.plots import collect_plots


def write(file: Path, text: str = "x,y\n1,2\n") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def list_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_plots_are_grouped_by_kind(tmp_path: Path) -> None:
    write(tmp_path / "predictions/a/plots/confusion.csv", "of a")
    write(tmp_path / "predictions/a/plots/heat.csv")
    write(tmp_path / "predictions/b/plots/confusion.csv", "of b")
    write(tmp_path / "predictions/not-in-params/plots/confusion.csv")
    write(tmp_path / "plots/confusion/removed.csv")
    collect_plots(["a", "b", "without-plots"], tmp_path / "predictions", tmp_path / "plots")
    assert list_files(tmp_path / "plots") == {"confusion/a.csv", "confusion/b.csv", "heat/a.csv"}
    assert (tmp_path / "plots/confusion/b.csv").read_text(encoding="utf-8") == "of b"


def test_folders_that_dvc_yaml_names_exist_without_models(tmp_path: Path) -> None:
    collect_plots([], tmp_path / "predictions", tmp_path / "plots")
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert names == {"confusion", "reliability", "precision_recall", "recall"}

"""A stage depends on the code that it imports: on all of it, on nothing else, and not on comments and docstrings."""

import ast
import shutil
from pathlib import Path

import pytest

from papertrail.core.params import load_params
from papertrail.reproduce.code_hashes import DERIVED, EXEMPT, REQUIREMENTS, hash_pins, hash_tree, write_code_hashes
from tests.fixtures.commands import ROOT, read_json, run_python

CODE = """import os


class Reader:
    def read(self, path, size=1):
        for line in open(path):
            print("a")
        return size
"""


def hash_code(text: str) -> str:
    return hash_tree(ast.parse(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import os", "import os  # a comment"),
        ("import os", '"""A module."""\n\nimport os'),
        ("class Reader:", 'class Reader:\n    """A class."""\n'),
        ("size=1):", 'size=1):\n        """Read."""'),
        ("size=1", "size  =  1"),
        ('"a"', "'a'"),
        ("self, path, size=1", "\n        self,\n        path,\n        size=1,\n    "),
    ],
)
def test_comments_docstrings_and_layout_change_no_hash(old: str, new: str) -> None:
    assert old in CODE
    assert hash_code(CODE.replace(old, new)) == hash_code(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size=1", "size=2"),
        ('"a"', '"b"'),
        ("import os", "import sys"),
        ("import os", "import os\nvalue = 'a string that is no docstring'"),
        ("return size", "return size or None"),
        ("        return size\n", ""),
        ("class Reader:", "@final\nclass Reader:"),
    ],
)
def test_code_changes_the_hash(old: str, new: str) -> None:
    assert old in CODE
    assert hash_code(CODE.replace(old, new)) != hash_code(CODE)


def test_a_docstring_alone_equals_pass() -> None:
    assert hash_code('def f():\n    """Do nothing."""\n') == hash_code("def f():\n    pass\n")


def test_pins_count_and_comments_do_not(tmp_path: Path) -> None:
    texts = ["a==1\n    # via b\nb==2\n", "# header\na==1\nb==2 # reason\n", "b==2\na==1\n", "a==1\nb==3\n"]
    hashes = []
    for text in texts:
        (tmp_path / REQUIREMENTS).write_text(text, encoding="utf-8")
        hashes.append(hash_pins(tmp_path / REQUIREMENTS))
    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]


# ----- on a copy of this repository


def copy_code(source: Path, target: Path) -> Path:
    for folder in ("papertrail", "stages"):
        shutil.copytree(source / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(source / REQUIREMENTS, target / REQUIREMENTS)
    return target


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code of this repository, with its code files."""
    folder = copy_code(ROOT, tmp_path_factory.mktemp("original"))
    write_code_hashes(folder, load_params(ROOT / "params.yaml"))
    return folder


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    """A copy of the original to edit."""
    return copy_code(original, tmp_path)


def read_code_files(root: Path) -> dict[str, dict[str, str]]:
    """Return name -> content of the code files of a repository; write them first if there are none."""
    if not (root / "code").exists():
        write_code_hashes(root, load_params(ROOT / "params.yaml"))
    files = sorted((root / "code").rglob("*.json"))
    return {file.relative_to(root / "code").with_suffix("").as_posix(): read_json(file) for file in files}


class OtherDocstrings(ast.NodeTransformer):
    """Replace every docstring."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Expr(ast.Constant("Another text."))
        return node


def test_rewording_and_reformatting_all_code_changes_no_file(original: Path, copy: Path) -> None:
    before = read_code_files(original)
    for file in copy.rglob("*.py"):
        tree = OtherDocstrings().visit(ast.parse(file.read_text(encoding="utf-8")))
        text = ast.unparse(ast.fix_missing_locations(tree))  # other line breaks and quotes, no comments
        file.write_text(f"# Another comment.\n\n{text}\n", encoding="utf-8")
    assert read_code_files(copy) == before


MODELS = load_params(ROOT / "params.yaml").models
HEADS = {
    f"papertrail/models/heads/{head}.py": [
        f"{stage}/{name}"
        for stage in ("evaluate", "finetune")
        for name, model in MODELS.items()
        if getattr(model, "head", None) == head
    ]
    for head in ("token_classification", "sequence_classification")
}
EDITS = {  # module -> code files that must change
    **HEADS,
    "papertrail/train/retriever.py": [
        f"finetune/{name}" for name, m in MODELS.items() if m.kind in ("retriever", "linker")
    ],
    "papertrail/train/linker.py": [f"finetune/{name}" for name, m in MODELS.items() if m.kind == "linker"],
    "papertrail/train/summarizer.py": [f"finetune/{name}" for name, m in MODELS.items() if m.kind == "summarizer"],
    "papertrail/evaluate/classifier.py": [f"evaluate/{name}" for name, m in MODELS.items() if hasattr(m, "head")],
    "papertrail/train/linear.py": [f"finetune/{name}" for name, m in MODELS.items() if m.kind == "linear"],
    "papertrail/evaluate/linear.py": [f"evaluate/{name}" for name, m in MODELS.items() if m.kind == "linear"],
    "papertrail/data/sources/fetch.py": ["fetch"],
    "papertrail/report/cards.py": ["cards"],
    "stages/pretrain.py": ["pretrain"],
    "stages/finetune.py": [f"finetune/{name}" for name in MODELS],
    "papertrail/cli/main.py": [],
    "papertrail/serve/server.py": [],
    f"{EXEMPT}loading.py": [],
}


@pytest.mark.parametrize("module", EDITS)
def test_an_edit_changes_the_stages_that_use_the_module(original: Path, copy: Path, module: str) -> None:
    before = read_code_files(original)
    with (copy / module).open("a", encoding="utf-8") as file:
        file.write("EDITED = True\n")
    after = read_code_files(copy)
    changed = sorted(name for name in after if after[name] != before[name])
    assert changed == sorted(EDITS[module])
    for name in changed:
        assert {file for file in after[name] if after[name][file] != before[name][file]} == {module}


@pytest.mark.parametrize("edited", ["papertrail/core/randomness.py", DERIVED])
def test_an_edit_of_shared_code_changes_every_stage_with_that_module(original: Path, copy: Path, edited: str) -> None:
    before = read_code_files(original)
    (copy / edited).write_text("EDITED = True\n" + (copy / edited).read_text(encoding="utf-8"), encoding="utf-8")
    after = read_code_files(copy)
    users = {name for name in before if edited in before[name]}
    assert {name for name in after if after[name] != before[name]} == users != set()


def test_derived_values_count_for_every_stage(original: Path) -> None:
    assert all(DERIVED in files for files in read_code_files(original).values())


def test_a_template_counts_by_its_bytes(original: Path, copy: Path) -> None:
    before = read_code_files(original)
    template = next((copy / "papertrail/report/templates").glob("*.jinja"))
    template.write_text(template.read_text(encoding="utf-8") + " ", encoding="utf-8")
    after = read_code_files(copy)
    assert [name for name in after if after[name] != before[name]] == ["report"]


def test_a_pinned_version_changes_every_stage(original: Path, copy: Path) -> None:
    before = read_code_files(original)
    pins = (copy / REQUIREMENTS).read_text(encoding="utf-8")
    (copy / REQUIREMENTS).write_text(pins.replace("torch==", "torch==1."), encoding="utf-8")
    after = read_code_files(copy)
    assert all(after[name] != before[name] for name in before)


def test_the_stage_starts_without_heavy_libraries(copy: Path) -> None:
    heavy = ("torch", "numpy", "pandas", "pyarrow", "datasets", "transformers", "scipy", "sklearn")
    code = f"import sys, stages.code; stages.code.main(); print([name for name in {heavy} if name in sys.modules])"
    shutil.copyfile(ROOT / "params.yaml", copy / "params.yaml")
    done = run_python(copy, "-c", code, PYTHONPATH=".")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    assert (copy / "code/fetch.json").is_file()

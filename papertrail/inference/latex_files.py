r"""Files that a LaTeX document names: \input, \include, \subfile, \import and bibliographies, in its folder only."""

from pathlib import Path

from papertrail.core.errors import DataError

FILES, CHARACTERS, DEPTH = 2_000, 200_000_000, 15  # limits of what one document includes


class Folder:
    """The folder of a document. Nothing outside it is read, also not through `..` or a symbolic link.

    Attributes:
        problems: Why a file was not read, in the order of the document.
    """

    def __init__(self, root: Path | None) -> None:
        """Read files below `root`; None reads none, for text without a folder."""
        self.root = None if root is None else root.resolve()
        self.problems: list[str] = []
        self.open: list[Path] = []  # the files being read, each included by the one before
        self._files, self._characters = 0, 0

    def find(self, names: list[str], suffixes: tuple[str, ...]) -> Path | None:
        """Return the first file of these names, with one of the suffixes or its own; None adds a problem."""
        if self.root is None:
            self.problems.append(f"{names[0]} is not read, because the text has no folder")
            return None
        for name in names:
            for candidate in (name + suffix for suffix in suffixes):
                try:
                    file = (self.root / candidate).resolve()
                    exists = file.is_file()
                except (OSError, ValueError, RuntimeError):  # too long, a null character, a cycle of links
                    continue
                if exists and not file.is_relative_to(self.root):
                    self.problems.append(f"{name} is not read, because it is outside the document's folder")
                    return None
                if exists:
                    return file
        outside = any(part == ".." for part in Path(names[0]).parts) or Path(names[0]).is_absolute()
        reason = "it is outside the document's folder" if outside else "there is no such file"
        self.problems.append(f"{names[0]} is not read, because {reason}")
        return None

    def read(self, file: Path) -> str | None:
        """Return the text of a file that `find` returned; None adds a problem."""
        from papertrail.inference.texts import read_text

        name = self.name_of(file)
        if file in self.open:
            self.problems.append(f"{name} is not read again, because it includes itself")
        elif len(self.open) > DEPTH or self._files >= FILES or self._characters >= CHARACTERS:
            self.problems.append(f"{name} is not read, because too many files are included")
        else:
            try:
                text = read_text(file)
            except (DataError, OSError) as error:
                self.problems.append(str(error))
                return None
            self._files, self._characters = self._files + 1, self._characters + len(text)
            return text
        return None

    def name_of(self, file: Path) -> str:
        """Return the name of a file in the folder, for messages."""
        return str(file.relative_to(self.root)) if self.root and file.is_relative_to(self.root) else str(file)

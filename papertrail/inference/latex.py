r"""LaTeX documents as plain text with their citations.

Comments, verbatim text, the preamble and definitions are no text. A user's own commands are expanded, so that
citations in them are found. The source is read once, from left to right: time and memory are linear, and an unclosed
brace or environment loses nothing but itself. That is why pylatexenc's parser, which builds a tree by recursion, is not
used; its table of symbols is.
"""

import re
import unicodedata
from pathlib import Path
from typing import Any

from papertrail.data.formats.latex_syntax import COMMENT, Keys, is_citation
from papertrail.data.formats.latex_text import SIGNS, read_accent, replace_ligatures, symbol
from papertrail.inference import latex_commands as known
from papertrail.inference.latex_files import Folder
from papertrail.inference.latex_macros import EXPANSION, Macro, read_definition
from papertrail.inference.latex_source import Source

TOKEN = re.compile(r"\\([a-zA-Z@]+)|\\(.)|(%)[^\n]*+(?:\n[ \t]*+(?!\r?\n))?|([{}])|([^\\%{}]+)|\\", re.DOTALL)
CLASS = re.compile(r"^[^%\n]*\\document(?:class|style)\b", re.MULTILINE)
ENVIRONMENT = re.compile(r"[ \t]*+\{([^{}\\%\n]{0,80})\}")
SEGMENT_SPACE = re.compile(r"(?<!\\)%[^\n]*\n?\s*|\s*\n\s*")
NESTING = 8  # own commands in own commands
SPACES = re.compile(r"[ \t]*+")


class LatexReader:
    r"""Reads a LaTeX source.

    Attributes:
        pieces: The text so far.
        citations: {"start", "end", "target"} of the text, and {"file", "line", "source_start", "source_end"}.
        resources: Names of bibliographies, in \bibliography and the like.
        embedded: thebibliography environments.
        contents: Name -> content of filecontents environments.
    """

    def __init__(self, folder: Folder) -> None:
        """Read included files from `folder`."""
        self.folder = folder
        self.pieces: list[str] = []
        self.length = 0
        self.citations: list[dict[str, Any]] = []
        self.resources: list[str] = []
        self.embedded: list[str] = []
        self.contents: dict[str, str] = {}
        self.macros: dict[str, Macro] = {}
        self.verbatim = set(known.VERBATIM)
        self.budget = 0  # characters that expansions may still have
        self.active = True
        self.nesting = 0

    def read(self, text: str, file: str) -> None:
        """Read a main file; its preamble is no text."""
        self.budget = 2 * len(text) + 100_000
        self.active = CLASS.search(text) is None
        before = len(self.folder.problems)
        self.scan(Source(text, file))
        if not self.active:  # a class without a document environment
            del self.folder.problems[before:]
            self.active = True
            self.scan(Source(text, file))

    def scan(self, source: Source) -> None:
        """Read a source up to its end or \\end{document}."""
        position: int | None = 0
        start = (len(self.pieces), self.length, len(self.citations))
        while position is not None and (found := TOKEN.match(source.text, position)):
            name, sign, _, brace, plain = found.groups()
            position = found.end()
            if plain:
                self.write(replace_ligatures(plain))
            elif name:
                position = self.command(name, source, found.start(), position, start)
            elif sign:
                position = self.sign(sign, source, position)
            elif brace == "{":
                source.braces.append("")
            elif brace and source.braces:
                self.write(source.braces.pop())

    def write(self, text: str) -> None:
        """Add text, unless the preamble is read."""
        if self.active and text:
            self.pieces.append(text)
            self.length += len(text)

    def sign(self, sign: str, source: Source, position: int) -> int:
        """Write a command of one character, such as an accent; return the end."""
        accent = read_accent(sign, source.text, position)
        if accent is not None:
            self.write(accent[0])
            return accent[1]
        self.write(SIGNS.get(sign, sign))
        if sign == "\\" and source.text.startswith("[", position):
            return source.syntax.skip_options(position)  # \\[2pt]
        return position

    def command(
        self, name: str, source: Source, start: int, position: int, opening: tuple[int, int, int]
    ) -> int | None:
        """Read a command and what belongs to it; return the end, None at the end of the source.

        Args:
            name: Without the backslash.
            source: The source.
            start: Of the command.
            position: After its name.
            opening: Numbers of pieces, characters and citations before this source.
        """
        text, syntax = source.text, source.syntax
        if (macro := self.macros.get(name)) and macro.alias:
            name, macro = macro.alias, None
        if name == "begin":
            return self.begin(source, start, position, opening)
        if name == "endinput" or (name == "end" and re.match(r"\s*\{document\}", text[position : position + 30])):
            return None
        if macro is not None and self.nesting < NESTING:
            return self.expand(macro, source, start, position)
        if name in known.COMMANDS:
            return self.define(known.COMMANDS[name], source, position)
        starred = position + text.startswith("*", position)
        if is_citation(name):
            read = syntax.citation(name, starred)
            if read is not None:
                self.cite(source, start, *read)
                return read[1]
        if name in known.NEW_VERBATIM and (group := syntax.group(position)):
            self.verbatim.add(group[0])
            return syntax.skip_arguments(position, 3)
        if name in known.RESOURCES and (group := syntax.group(syntax.skip_options(position))):
            self.resources += [part for name in COMMENT.sub("", group[0]).split(",") if (part := name.strip())]
            return group[1]
        if name in known.INCLUDES:
            return self.include(name, source, starred)
        if name.startswith("if"):
            return self.condition(name, source, position)
        return self.text_command(name, source, starred)

    def text_command(self, name: str, source: Source, position: int) -> int:
        """Read a command that is not special: write its text, skip arguments that are no text."""
        text, syntax = source.text, source.syntax
        if name in known.VERBS:
            after = syntax.skip_options(position) if name != "verb" else position
            after = syntax.skip_arguments(after, 1) if name.startswith("mint") else after
            if found := known.VERB.match(text, after) or known.URL.match(text, after):
                return found.end()
        if name in ("url", "nolinkurl", "href") and (found := known.URL.match(text, position)):
            self.write(found[1] if name != "href" else "")
            return found.end()
        if name in known.ARGUMENTS:
            return syntax.skip_arguments(position, known.ARGUMENTS[name])
        if name in known.AROUND:
            before, after_text = known.AROUND[name]
            self.write(before)
            position = position if name == "item" else syntax.skip_options(position)  # \item[term]
            if text.startswith("{", syntax.skip_gap(position)):
                source.braces.append(after_text)
                return syntax.skip_gap(position) + 1
            return position
        if accent := read_accent(name, text, position):
            self.write(accent[0])
            return accent[1]
        if text.startswith("[", position) and not symbol(name):
            position = syntax.skip_uncited(position)
        written = symbol(name)
        self.write(written)
        spaces = SPACES.match(text, position) if len(written) == 1 else None
        return spaces.end() if spaces else position

    def begin(self, source: Source, start: int, position: int, opening: tuple[int, int, int]) -> int:
        """Read the beginning of an environment, or the whole of one that is no text."""
        found = ENVIRONMENT.match(source.text, position)
        if found is None:
            return position
        name, end = found[1].strip(), found.end()
        if name == "document":
            pieces, self.length, citations = opening
            del self.pieces[pieces:], self.citations[citations:]
            self.active = True
            return end
        bare = name.rstrip("*")
        if bare in self.verbatim or bare == "thebibliography":
            closing = f"\\end{{{name}}}"
            last = -1 if name in source.unclosed else source.text.find(closing, end)
            if last >= 0:
                self.keep(bare, source, end, last)
                return last + len(closing)
            source.unclosed.add(name)
        if name.endswith("cquote") and (read := source.syntax.citation(name, end)):
            self.cite(source, start, *read)
            return read[1]
        return source.syntax.skip_arguments(
            source.syntax.skip_uncited(end) if source.text.startswith("[", end) else end,
            known.ENVIRONMENT_ARGUMENTS.get(name, 0),
        )

    def keep(self, name: str, source: Source, start: int, end: int) -> None:
        """Keep the content of an environment that has a bibliography."""
        if name == "thebibliography":
            self.embedded.append(source.text[start:end])
        elif name == "filecontents" and (group := source.syntax.group(source.syntax.skip_options(start))):
            self.contents[group[0].strip()] = source.text[group[1] : end]

    def condition(self, name: str, source: Source, position: int) -> int:
        r"""Skip \iffalse and \if0 up to their \else or \fi; both branches of other conditions are read."""
        is_false = name == "iffalse" or (name == "if" and source.text.startswith("0", position))
        if not is_false or "if" in source.unclosed:
            return position
        depth = 1
        for found in known.CONDITION.finditer(source.text, position):
            word = found[1] or ""
            depth += word.startswith("if") - (word == "fi")
            if depth == 0 or (depth == 1 and word == "else"):
                return found.end()
        source.unclosed.add("if")
        return position

    def cite(self, source: Source, start: int, keys: Keys, end: int) -> None:
        """Write a citation command as it stands; each key is a citation, and they share the command between them."""
        if not self.active:
            return
        bounds = [start, *(place for _, place in keys[:-1]), end]
        where = source.call or (start, end, source.line(start))
        for (key, _), first, last in zip(keys, bounds, bounds[1:], strict=False):
            segment = source.text[first:last]
            segment = SEGMENT_SPACE.sub(" ", segment) if "\n" in segment or "%" in segment else segment
            raw = (where[0], where[1]) if source.call else (first, last)
            place = {"file": source.file, "line": where[2], "source_start": raw[0], "source_end": raw[1]}
            self.citations.append({"start": self.length, "end": self.length + len(segment), "target": key, **place})
            self.write(segment)

    def include(self, name: str, source: Source, position: int) -> int:
        """Read a file that is included here; return the end of the command."""
        parts, end = [], position
        for _ in range(known.INCLUDES[name]):
            group = source.syntax.group(end)
            if group is None:
                found = known.INPUT_NAME.match(source.text, end) if name == "input" else None
                if found is None:
                    return position
                group = (found[1], found.end())
            parts.append(group[0].strip().strip('"'))
            end = group[1]
        wanted = "/".join(part.rstrip("/") for part in parts)
        beside = str(Path(source.file).parent / wanted)
        file = self.folder.find([wanted, beside], (".tex", "", ".ltx")) if wanted else None
        text = None if file is None else self.folder.read(file)
        if file is not None and text is not None:
            self.budget += 2 * len(text)
            self.folder.open.append(file)
            self.scan(Source(unicodedata.normalize("NFC", text), self.folder.name_of(file)))
            self.folder.open.pop()
        return end

    def define(self, form: str, source: Source, position: int) -> int:
        """Read the definition of a command."""
        name, macro, end = read_definition(form, source.syntax, position + source.text.startswith("*", position))
        if macro is not None:
            self.macros[name] = macro
        return end

    def expand(self, macro: Macro, source: Source, start: int, position: int) -> int:
        """Read the expansion of a user's own command; return the end of its call."""
        text, syntax = source.text, source.syntax
        values: list[str] = []
        for default in macro.defaults:
            if default is not None:
                end = syntax.option_end(syntax.skip_gap(position))
                values.append(default if end is None else text[syntax.skip_gap(position) + 1 : end - 1])
                position = position if end is None else end
            elif group := syntax.group(position):
                values.append(group[0])
                position = group[1]
            else:
                values.append("")
        body = macro.expanded(values)
        self.budget -= len(body) + 1
        if self.budget < 0 or len(body) > 10 * EXPANSION:
            return position
        call = source.call or (start, position, source.line(start))
        self.nesting += 1
        self.scan(Source(body, source.file, call))
        self.nesting -= 1
        return position


def read_latex(text: str, file: str, folder: Folder) -> LatexReader:
    """Read a LaTeX document and the files that it includes.

    Args:
        text: The main file.
        file: Its name in the folder.
        folder: Where included files are.
    """
    reader = LatexReader(folder)
    reader.read(text, file)
    return reader

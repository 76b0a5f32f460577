r"""What LaTeX commands and environments do to the text: which arguments are no text, which contents are verbatim."""

import re

VERBATIM = {
    *("verbatim", "Verbatim", "BVerbatim", "LVerbatim", "lstlisting", "minted", "comment", "spverbatim", "verbatimtab"),
    *("CCSXML", "filecontents", "listing", "pycode", "asy"),
}
NEW_VERBATIM = ("lstnewenvironment", "newminted", "DefineVerbatimEnvironment", "excludecomment", "specialcomment")
COMMANDS = {  # definitions of commands, by the form of their parameters
    **dict.fromkeys(("newcommand", "renewcommand", "providecommand", "DeclareRobustCommand"), "latex"),
    **dict.fromkeys(("newrobustcmd", "renewrobustcmd", "providerobustcmd", "newcommandx", "renewcommandx"), "latex"),
    **{f"{verb}DocumentCommand": "xparse" for verb in ("New", "Renew", "Provide", "Declare")},
    **dict.fromkeys(("def", "gdef", "edef", "xdef"), "tex"),
    **dict.fromkeys(("let",), "let"),
}
RESOURCES = ("bibliography", "addbibresource", "addglobalbib", "addsectionbib")
INCLUDES = {  # command -> number of arguments that make the name
    **dict.fromkeys(("input", "include", "subfile", "subfileinclude", "InputIfFileExists"), 1),
    **dict.fromkeys(("import", "subimport", "inputfrom", "subinputfrom", "includefrom"), 2),
}
_ONE = """documentclass usepackage RequirePackage label ref eqref pageref autoref cref Cref vref nameref includegraphics
    bibliographystyle graphicspath hypersetup pagestyle thispagestyle pagenumbering vspace hspace author date
    affiliation email institute address theoremstyle geometry index captionsetup lstset usetikzlibrary tikzset
    sisetup hyphenation cline cmidrule textcolor color href parbox scalebox raisebox colorbox nocite setcitestyle
    citestyle lstinputlisting verbatiminput inputminted bibitem newif setlist bibdata end DeclareLanguageMapping
    bibpunct includeonly lstinline ExecuteBibliographyOptions"""
_TWO = """setlength addtolength setcounter addtocounter newtheorem DeclareMathOperator multicolumn multirow resizebox
    rule newcites defcitealias markboth newcolumntype DeclareUnicodeCharacter DeclareFieldFormat mintinline"""
_THREE = "definecolor addcontentsline newenvironment renewenvironment DeclareCiteCommand"
ARGUMENTS = {  # command -> number of its arguments that are no text; those after them are
    **dict.fromkeys(_ONE.split(), 1),
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_THREE.split(), 3),
    **dict.fromkeys(("NewDocumentEnvironment", "DeclareMultiCiteCommand"), 4),
}
ENVIRONMENT_ARGUMENTS = {
    **dict.fromkeys(("tabular", "array", "minipage", "multicols", "longtable", "adjustbox", "subfigure"), 1),
    **dict.fromkeys(("tabular*", "tabularx", "tabulary", "wrapfigure", "wraptable"), 2),
}
AROUND = {  # command -> text before and after its argument
    **dict.fromkeys(("part", "chapter", "section", "subsection", "subsubsection"), ("\n\n", "\n\n")),
    **dict.fromkeys(("paragraph", "subparagraph", "title", "caption"), ("\n\n", "\n\n")),
    **dict.fromkeys(("footnote", "thanks"), (" (", ")")),
    **dict.fromkeys(("item",), ("\n", "")),
}
VERBS = ("verb", "Verb", "lstinline", "mintinline", "mint", "path")
VERB = re.compile(r"\*?([^\w\s{*\\])([^\n]*?)\1")  # \verb|...| and \lstinline|...|
URL = re.compile(r"[ \t]*+\{((?:[^{}\n]|\{[^{}\n]*\})*+)\}")  # % is no comment in it
CONDITION = re.compile(r"\\(if(?!f(?![a-zA-Z])|thenelse)[a-zA-Z]*|fi|else)(?![a-zA-Z])|%[^\n]*|\\.", re.DOTALL)
INPUT_NAME = re.compile(r"[ \t]*+([^\s\\{}%]+)")  # \input file

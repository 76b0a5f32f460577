"""How a model is trained and read. One module each, loaded by name, with the same functions:

COLUMNS             the columns that a data set needs, besides the inputs of the run
class_names         features of the data set -> what the outputs of the model stand for
AUTO_MODEL          the library's class that puts this head on an encoder
encode              row -> model inputs and labels, and whether it was cut at max_tokens
build_collator      pads a batch
decode              logits -> predictions, a dict per row, ready for the predictions file
validation_score    what early stopping and the choice of the best checkpoint look at, in [0, 1]
"""

from scholar.records import Row


def join_inputs(row: Row, inputs: list[str], left_out: frozenset[str]) -> str:
    """The text of a row. Several inputs are named, as published for categories: `Title: ..., Abstract: ...`."""
    if len(inputs) == 1:
        return str(row[inputs[0]])
    return ", ".join(f"{name.capitalize()}: {row[name]}" for name in inputs if name not in left_out and row[name])

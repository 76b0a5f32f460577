"""Generation of summaries by both families: independent of the batch, limits of length, positions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from papertrail.core.errors import ParamsError
from papertrail.models.language_model import (
    check_length,
    encode_prompt,
    load_model,
    load_tokenizer,
    write_summaries,
)
from tests.fixtures.tiny_generators import (
    FAMILIES,
    POSITIONS,
    make_generation,
    make_papers,
    make_summarizer,
)

PAPER = {"id": "a", "title": "tree", "source": ["we use the tree.", "see figure."], "target": ["the tree.", "so"]}


def load(folder: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    return load_model(Path(folder), "cpu").eval(), load_tokenizer(Path(folder))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_summaries_do_not_depend_on_the_batch(family: str, beams: int, folders: dict[str, str]) -> None:
    network, tokenizer = load(folders[family])
    long, short, middle = make_papers(30)[:3]
    papers = [{**long, "source": long["source"] * 3}, {**short, "source": ["we"]}, middle, *make_papers(4, seed=1)]
    model = make_summarizer(base_model=folders[family], max_input_tokens=60)
    written = {
        size: write_summaries(network, tokenizer, papers, model, make_generation(beams=beams, batch_size=size))
        for size in (1, 3, 20)
    }
    assert written[3] == written[20] == written[1]
    alone = [write_summaries(network, tokenizer, [paper], model, make_generation(beams=beams)) for paper in papers]
    assert [summaries[0] for summaries in alone] == written[3]  # in the order of the papers
    assert len({summary.text for summary in written[1]}) > 2


def end_after(network: Any, tokenizer: PreTrainedTokenizerFast, step: int) -> None:
    """Make a model predict the end token after `step` tokens."""
    forward, calls = network.forward, iter(range(1000))

    def ending(*arguments: Any, **inputs: Any) -> Any:
        output = forward(*arguments, **inputs)
        if next(calls) >= step:
            output.logits[..., tokenizer.eos_token_id] = 100.0
        return output

    network.forward = ending


@pytest.mark.parametrize(("minimum", "maximum", "expected"), [(0, 12, 3), (5, 12, 5), (3, 3, 3), (0, 2, 2), (0, 1, 1)])
@pytest.mark.parametrize("family", FAMILIES)
def test_lengths_are_limited_and_counted_without_the_end(
    family: str, minimum: int, maximum: int, expected: int, folders: dict[str, str]
) -> None:
    network, tokenizer = load(folders[family])
    end_after(network, tokenizer, 3)
    generation = make_generation(min_new_tokens=minimum, max_new_tokens=maximum, repetition_penalty=1.1)
    written = write_summaries(
        network, tokenizer, make_papers(3), make_summarizer(base_model=folders[family]), generation
    )
    assert [summary.tokens for summary in written] == [expected] * 3
    assert not any(tokenizer.eos_token in summary.text for summary in written)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_generation_takes_the_likeliest_token(family: str, folders: dict[str, str]) -> None:
    network, tokenizer = load(folders[family])
    model = make_summarizer(base_model=folders[family])
    prompt = encode_prompt(PAPER, tokenizer, model, family == "llama")[0]["input_ids"]
    ids: list[int] = []
    while len(ids) < 6 and tokenizer.eos_token_id not in ids:
        with torch.no_grad():
            if family == "llama":
                logits = network(input_ids=torch.tensor([prompt + ids])).logits
            else:
                start = [network.config.decoder_start_token_id]
                logits = network(input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([start + ids])).logits
        ids.append(int(logits[0, -1].argmax()))
    expected = " ".join(tokenizer.decode(ids, skip_special_tokens=True).split())
    (written,) = write_summaries(network, tokenizer, [PAPER], model, make_generation(max_new_tokens=6))
    assert written.text == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_no_papers_have_no_summaries(family: str, folders: dict[str, str]) -> None:
    network, tokenizer = load(folders[family])
    assert write_summaries(network, tokenizer, [], make_summarizer(base_model=folders[family]), make_generation()) == []


# --- errors ---


def test_more_tokens_than_positions_are_an_error(folders: dict[str, str]) -> None:
    network, tokenizer = load(folders["llama"])
    prompt = len(tokenizer("use the text \nresult:").input_ids)
    maximum = POSITIONS - prompt - 16
    fits, exceeds = (make_summarizer(base_model="llama", max_input_tokens=maximum + more) for more in (0, 1))
    message = rf"models: prompt, max_input_tokens.*: {POSITIONS + 1}, but llama has {POSITIONS} positions; lower it"
    check_length(fits, tokenizer, network.config, 16)
    with pytest.raises(ParamsError, match=message):
        check_length(exceeds, tokenizer, network.config, 16)
    papers = make_papers(2)
    with pytest.raises(ParamsError, match=message):
        write_summaries(network, tokenizer, papers, fits, make_generation(max_new_tokens=17))
    long = [{**papers[0], "source": ["tree " * 200]}]
    generation = make_generation(min_new_tokens=16, max_new_tokens=16, batch_size=1)
    assert write_summaries(network, tokenizer, long, fits, generation)[0].tokens == 16


def test_relative_positions_have_no_limit(folders: dict[str, str]) -> None:
    network, tokenizer = load(folders["t5"])
    model = make_summarizer(base_model=folders["t5"], max_input_tokens=5000)
    paper = {**PAPER, "source": ["tree " * 800]}
    (summary,) = write_summaries(network, tokenizer, [paper], model, make_generation(max_new_tokens=2))
    assert summary.tokens <= 2

"""Vocabularies, tokenizers, padded batches, buckets, windows and datasets of texts."""

import pickle
import sys

import numpy as np
import pytest

import flambeau as torch
from flambeau.text import (
    BucketBatchSampler,
    ContiguousWindows,
    PaddingCollate,
    Subwords,
    TextClassification,
    Vocabulary,
    Windows,
    characters,
    words,
)

DataLoader = torch.utils.data.DataLoader


# ----- Vocabulary -----


def test_commoner_tokens_come_first_and_equally_common_ones_in_alphabetical_order():
    vocabulary = Vocabulary.from_tokens(["b", "a", "b", "c", "a", "d"], min_freq=2)
    assert vocabulary.tokens == ["<pad>", "<unk>", "a", "b"]
    assert Vocabulary.from_tokens("bacab", specials=(), max_size=2).tokens == ["a", "b"]


def test_specials_are_there_once_even_if_they_are_counted():
    assert Vocabulary.from_tokens(["<unk>", "a"], specials=["<unk>"]).tokens == ["<unk>", "a"]


def test_unknown_tokens():
    vocabulary = Vocabulary(["<pad>", "<unk>", "torch"])
    assert vocabulary.encode(["torch", "flame"]).tolist() == [2, 1]
    vocabulary.default_index = None
    with pytest.raises(KeyError, match=r"there is no token 'torhc'.*did you mean 'torch'"):
        vocabulary.encode(["torch", "torhc"])


def test_padding_is_left_out_of_what_is_decoded():
    vocabulary = Vocabulary(["<pad>", "a"])
    assert vocabulary.decode(torch.tensor([1, 0, 1, 0])) == ["a", "a"]
    assert vocabulary.decode([1, 0], keep_pad=True) == ["a", "<pad>"]


@pytest.mark.parametrize("wrong", [2, -1])
def test_an_id_without_a_token_is_an_error(wrong):
    with pytest.raises(IndexError, match=f"id {wrong}"):
        Vocabulary("ab").decode([0, wrong])


def test_a_token_that_comes_twice_is_an_error():
    with pytest.raises(ValueError, match="'a' comes more than once"):
        Vocabulary("aba")


def test_a_single_string_is_not_several_texts():
    with pytest.raises(TypeError, match=r"pass \[text\]"):
        Vocabulary.from_texts("some text", words)


def test_a_saved_vocabulary_is_the_same(tmp_path):
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "é", "\ud800", "\n"], unknown="[UNK]", pad="[PAD]")
    vocabulary.save(tmp_path / "v.json")
    loaded = Vocabulary.load(tmp_path / "v.json")
    assert loaded == vocabulary
    assert (loaded.default_index, loaded.pad_index) == (1, 0)
    (tmp_path / "v.json").write_text("[1]")
    with pytest.raises(ValueError, match="holds no vocabulary"):
        Vocabulary.load(tmp_path / "v.json")


def test_an_empty_text_has_no_ids():
    assert Vocabulary("ab").encode("").shape == (0,)


# ----- Tokenizers -----


def test_words_keep_apostrophes_and_part_from_marks():
    assert words("L\u2019été, it's (so) 3.5\n") == ["l\u2019été", ",", "it's", "(", "so", ")", "3", ".", "5"]
    assert words("'A_b'", lower=False) == ["'", "A_b", "'"]


def test_subwords_without_the_package_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'flambeau\[text\]'"):
        Subwords.train(["some text"], 300)


def test_subwords_give_every_text_back(tmp_path):
    pytest.importorskip("tokenizers")
    subwords = Subwords.train(["the cat sat on the mat"] * 5, size=270)
    text = "The cät\n  sat \U0001f600"
    assert subwords.decode(subwords.encode(text)) == text
    assert 258 < len(subwords) <= 270 and len(subwords("the cat")) < 7
    subwords.save(tmp_path / "tokenizer.json")
    assert Subwords.load(tmp_path / "tokenizer.json")(text) == subwords(text)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="holds no tokenizer"):
        Subwords.load(tmp_path / "tokenizer.json")
    with pytest.raises(ValueError, match="size=200 is too small"):
        Subwords.train(["text"], size=200)


# ----- Batches -----


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_says_what_is_a_sequences_own(side):
    sequences = [torch.tensor([1, 2, 3]), torch.tensor([], dtype=torch.int64), torch.tensor([4])]
    values, lengths, mask = PaddingCollate(-1, padding_side=side)(sequences)
    assert values.shape == (3, 3) and lengths.tolist() == [3, 0, 1]
    assert torch.equal(mask, values != -1)
    assert [row[own].tolist() for row, own in zip(values, mask, strict=True)] == [
        s.tolist() for s in sequences
    ]


def test_padding_cuts_and_pads_several_fields():
    source, target, label = PaddingCollate(9, fields=(0, 1), max_length=2)(
        [([1, 2, 3], [4], 0), ([5], [6, 7], 1)]
    )
    assert source.values.tolist() == [[1, 2], [5, 9]] and source.lengths.tolist() == [2, 1]
    assert target.values.tolist() == [[4, 9], [6, 7]] and label.tolist() == [0, 1]


def test_padding_works_in_worker_processes():
    data = [(torch.arange(n), n) for n in (3, 1, 2)]
    (part, labels), (last, _) = DataLoader(data, 2, num_workers=1, collate_fn=PaddingCollate())
    assert part.values.tolist() == [[0, 1, 2], [0, 0, 0]] and labels.tolist() == [3, 1]
    assert last.mask.tolist() == [[True, True]]


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([], IndexError, "empty"),
        ([(), ()], IndexError, "no field 0"),
        ([([1], 2), ([1],)], ValueError, "item 1 has 1"),
    ],
)
def test_padding_says_what_is_wrong(batch, error, message):
    with pytest.raises(error, match=message):
        PaddingCollate()(batch)


def buckets(seed=0, **options):
    lengths = np.random.default_rng(0).integers(1, 100, 203).tolist()
    return lengths, BucketBatchSampler(lengths, 8, generator=torch.Generator().manual_seed(seed), **options)


def test_buckets_give_each_item_once_and_waste_little():
    lengths, sampler = buckets()
    batches = list(sampler)
    assert len(batches) == len(sampler) == 26
    assert sorted(i for batch in batches for i in batch) == list(range(203))
    padded = sum(len(b) * max(lengths[i] for i in b) for b in batches)
    assert padded < 1.1 * sum(lengths)
    assert list(sampler) != batches  # the next epoch
    assert list(buckets()[1]) == batches != list(buckets(1)[1])


def test_buckets_drop_the_batch_that_is_smaller():
    _, sampler = buckets(drop_last=True, window=2)
    assert [len(batch) for batch in sampler] == [8] * 25 and len(sampler) == 25


def test_buckets_serve_a_loader():
    data = [(torch.arange(n), n) for n in (5, 1, 4, 2)]
    loader = DataLoader(
        data, batch_sampler=BucketBatchSampler([5, 1, 4, 2], 2, shuffle=False), collate_fn=PaddingCollate()
    )
    assert [labels.tolist() for _, labels in loader] == [[1, 2], [4, 5]]


# ----- Windows -----


def test_windows_through_a_loader_are_those_that_were_asked_for():
    data = Windows(torch.arange(20, dtype=torch.uint8), length=4, stride=3)
    assert len(data) == 6 and data[-1][1].tolist() == [16, 17, 18, 19]
    (x, y), *_ = DataLoader(data, batch_size=6)
    for i in range(6):
        assert torch.equal(x[i], data[i][0]) and torch.equal(y[i], data[i][1])
    assert x.dtype is torch.int64 and torch.equal(y, x + 1)


def test_a_sample_is_the_same_for_the_same_seed():
    data = Windows(np.arange(100), 10)
    x, y = data.sample(7, torch.Generator().manual_seed(3))
    assert x.shape == (7, 10) and torch.equal(y, x + 1)
    assert torch.equal(x, data.sample(7, torch.Generator().manual_seed(3))[0])


def test_contiguous_windows_go_on_where_they_ended():
    data = ContiguousWindows(torch.arange(100), length=7, batch_size=4)
    xs, ys = zip(*data, strict=True)
    rows = torch.arange(100).view(4, 25)
    assert torch.equal(torch.cat(xs, 1), rows[:, :-1]) and torch.equal(torch.cat(ys, 1), rows[:, 1:])
    assert len(data) == 4 and xs[-1].shape == (4, 3)
    assert len(ContiguousWindows(torch.arange(100), 7, 4, drop_last=True)) == 3
    loaded = list(DataLoader(data, batch_size=None))
    assert len(loaded) == 4 and torch.equal(loaded[1][0], xs[1])


@pytest.mark.parametrize("ids", [torch.zeros(2, 3, dtype=torch.int64), torch.zeros(9), torch.arange(3)])
@pytest.mark.parametrize("make", [lambda ids: Windows(ids, 3), lambda ids: ContiguousWindows(ids, 3, 2)])
def test_windows_on_something_else_are_refused(ids, make):
    with pytest.raises(ValueError, match="ids"):
        make(ids)


def test_a_window_that_is_not_there():
    data = Windows(torch.arange(5), 2)
    for index in (3, -4):
        with pytest.raises(IndexError, match="out of range for 3 windows"):
            data[index]


# ----- Texts with labels -----


def test_texts_from_folders(tmp_path):
    for name, text in (
        ("neg/b.txt", "bad"),
        ("neg/a.txt", "awful"),
        ("pos/deep/c.txt", "good"),
        ("pos/d.md", "no"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    data = TextClassification.from_folder(tmp_path)
    assert list(data) == [("awful", 0), ("bad", 0), ("good", 1)] and data.classes == ["neg", "pos"]
    with pytest.raises(FileNotFoundError, match=r"<class>/<name>\.rst"):
        TextClassification.from_folder(tmp_path, suffix=".rst")


def test_texts_from_csv_and_tsv(tmp_path):
    path = tmp_path / "films.csv"
    path.write_text('\ufefflabel,text\npos,"good, ""new""\nfilm"\n\nneg,bad\n', "utf-8")
    data = TextClassification.from_csv(path, transform=characters)
    assert data.texts == ['good, "new"\nfilm', "bad"] and data[1] == (["b", "a", "d"], 0)
    path.write_text("text\tlabel\na\t1\n")
    assert TextClassification.from_csv(path, delimiter="\t").classes == ["1"]


def test_texts_from_json_lines(tmp_path):
    path = tmp_path / "films.jsonl"
    path.write_text('{"text": "a", "label": 1}\n\n{"label": 0, "text": "b"}\n')
    assert list(TextClassification.from_jsonl(path)) == [("a", 1), ("b", 0)]


@pytest.mark.parametrize(
    ("reader", "content", "error", "message"),
    [
        ("from_csv", "texts,label\na,b\n", KeyError, "no column 'text'; did you mean 'texts'"),
        ("from_csv", "text,label\na,b\na\n", ValueError, "line 3: 1 fields, expected 2"),
        ("from_csv", "", KeyError, "there are none"),
        ("from_jsonl", '{"text": "a", "label": 1}\n{', ValueError, "line 2: no JSON"),
        ("from_jsonl", "3\n", ValueError, "line 1: expected an object, got a int"),
        ("from_jsonl", '{"text": "a"}\n', KeyError, "line 1: there is no entry 'label'"),
    ],
)
def test_files_that_are_wrong(tmp_path, reader, content, error, message):
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(error, match=message):
        getattr(TextClassification, reader)(path)


def test_a_label_that_is_no_class():
    with pytest.raises(ValueError, match="item 1 has the label 'poz', which is no class; did you mean 'pos'"):
        TextClassification("ab", ["neg", "poz"], classes=["neg", "pos"])
    with pytest.raises(ValueError, match="2 texts, but 1 labels"):
        TextClassification("ab", ["neg"])


def test_everything_can_be_sent_to_a_process():
    things = [Vocabulary("ab"), PaddingCollate(3), BucketBatchSampler([1, 2], 1), Windows(torch.arange(9), 2)]
    assert [type(pickle.loads(pickle.dumps(thing))) for thing in things] == [type(thing) for thing in things]

"""Tables: kinds of columns, reading, splitting, preprocessing that is saved, datasets and the model."""

import datetime
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import flambeau as torch
from flambeau.tabular import (
    Preprocessor,
    Table,
    TabularDataset,
    TabularModel,
    read_csv,
    read_parquet,
    split,
)

DataLoader = torch.utils.data.DataLoader


def written(tmp_path, content, name="table.csv", **options):
    path = tmp_path / name
    path.write_text(content, "utf-8")
    return read_csv(path, **options)


# ----- Kinds -----


@pytest.mark.parametrize(
    ("strings", "kind", "values"),
    [
        (["1", "-20", "+3", "0"], "int", [1, -20, 3, 0]),
        (["9223372036854775807"], "int", [2**63 - 1]),
        (["9223372036854775808"], "float", [2.0**63]),
        (["1", "2.5", ".5", "3.", "1e-3", "-inf"], "float", [1, 2.5, 0.5, 3, 1e-3, -np.inf]),
        (["1", None], "int", [1, None]),
        ([None, None], "float", [None, None]),
        (["True", "false"], "bool", [True, False]),
        (["true", "1"], "category", ["true", "1"]),
        (["0815", "4711"], "category", ["0815", "4711"]),  # codes
        (["1_000", "1,5", "0x10"], "category", ["1_000", "1,5", "0x10"]),
        (["2024-02-29", None], "date", [datetime.datetime(2024, 2, 29), None]),
        (["2024-02-29T17:30", "2024-02-29 17:30:05"], "date", [datetime.datetime(2024, 2, 29, 17, 30),
                                                               datetime.datetime(2024, 2, 29, 17, 30, 5)]),
        (["2023-02-29"], "category", ["2023-02-29"]),  # there was no such day
        ([f"person {i}" for i in range(21)], "text", [f"person {i}" for i in range(21)]),
        (["a", "b"] * 30, "category", ["a", "b"] * 30),
    ],
)  # fmt: skip
def test_strings_are_of_the_first_kind_that_all_fit(strings, kind, values):
    column = Table.from_strings({"x": strings})["x"]
    assert (column.kind, column.tolist()) == (kind, values)


def test_python_values_are_not_parsed():
    table = Table({"s": ["1", "2"], "n": [1, 2.5], "t": [datetime.date(2024, 1, 2), None], "b": [True, None]})
    assert table.kinds == {"s": "category", "n": "float", "t": "date", "b": "bool"}
    assert table["b"].tolist() == [True, None]


def test_numpy_arrays_and_nan():
    table = Table({"x": np.array([1, np.nan], np.float32), "i": np.arange(2, dtype=np.int8)})
    assert table["x"].tolist() == [1.0, None] and table.kinds == {"x": "float", "i": "int"}


def test_given_kinds_win():
    strings = {"zip": ["8000", "0815"], "n": ["1", "2"]}
    assert Table.from_strings(strings, {"n": "float", "zip": "int"} | {"zip": "text"}).kinds["zip"] == "text"
    assert Table({"n": [1, 2]}, {"n": "category"})["n"].tolist() == ["1", "2"]
    assert Table({"n": ["1", "2"]}, {"n": "int"})["n"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Table({"a": [1], "b": [1, 2]}), ValueError, "differ in length"),
        (lambda: Table({"a": [1, "x"]}), TypeError, r"column 'a': values of several types \(int, str\)"),
        (lambda: Table({"a": [[1]]}), TypeError, "values of type list"),
        (lambda: Table({"a": np.zeros((2, 2))}), ValueError, "one row of values"),
        (lambda: Table({"a": [1.5]}, {"a": "bool"}), ValueError, "kind float, which can't be made bool"),
        (lambda: Table({"a": [1]}, {"b": "int"}), KeyError, "no column 'b'"),
        (lambda: Table({"a": [1]}, {"a": "number"}), ValueError, "'number' is no kind"),
        (lambda: Table({"height": [1]})["hieght"], KeyError, "no column 'hieght'; did you mean 'height'"),
        (lambda: Table({"a": [1]}).drop("b"), KeyError, "no column 'b'"),
        (lambda: Table({"a": [1]}).encode_dates("a"), ValueError, "holds no dates, its kind is int"),
    ],
)
def test_tables_that_are_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_dates_as_numbers():
    days = ["1969-12-31", "2000-02-29", "2024-03-01 23:59:59"]
    table = Table.from_strings({"d": [*days, None]}).encode_dates("d")
    dates = [datetime.date.fromisoformat(day[:10]) for day in days]
    for name in ("year", "month", "day"):
        assert table[f"d_{name}"].tolist() == [*(getattr(date, name) for date in dates), None]
    assert table["d_weekday"].tolist() == [*(date.weekday() for date in dates), None]
    assert table["d_since1970"].tolist() == [*(date.toordinal() - 719163 for date in dates), None]


# ----- Files -----


def test_csv_with_quotes_and_missing_values(tmp_path):
    table = written(tmp_path, '\ufeffname,age\n"Lovelace, Ada", 36 \n\n Bo,NA\n')
    assert table["name"].tolist() == ["Lovelace, Ada", "Bo"] and table["age"].tolist() == [36, None]
    assert written(tmp_path, "a,b\n-,1\n", missing=["-"])["a"].tolist() == [None]


def test_tsv_and_chosen_columns(tmp_path):
    table = written(tmp_path, "a\tb\tc\n1\t2\t3\n", name="table.tsv", columns=["c", "a"])
    assert table.names == ["c", "a"] and table["a"].tolist() == [1]


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        ("", {}, ValueError, "the file is empty"),
        ("a,a\n1,2\n", {}, ValueError, "two columns are named 'a'"),
        ("a,b\n1,2\n1\n", {}, ValueError, "line 3: 1 values, but 2 columns"),
        ("age\n1\nold\n", {"kinds": {"age": "int"}}, ValueError, "column 'age', row 1: 'old' is no int"),
        ("age\n1\n", {"columns": ["agee"]}, KeyError, "no column 'agee'; did you mean 'age'"),
        ("age\n1\n", {"kinds": {"agee": "int"}}, KeyError, "no column 'agee'; did you mean 'age'"),
    ],
)
def test_csv_that_is_wrong(tmp_path, content, options, error, message):
    with pytest.raises(error, match=message):
        written(tmp_path, content, **options)


def test_a_file_without_rows(tmp_path):
    table = written(tmp_path, "a,b\n")
    assert len(table) == 0 and table.names == ["a", "b"]


def test_parquet_keeps_types(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"n": [1, None], "s": ["x", "y"], "d": [datetime.datetime(2024, 1, 2), None]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    table = read_parquet(tmp_path / "t.parquet")
    assert table.kinds == {"n": "int", "s": "category", "d": "date"}
    assert {name: table[name].tolist() for name in table} == columns
    with pytest.raises(KeyError, match="no column 'm'"):
        read_parquet(tmp_path / "t.parquet", columns=["m"])


def test_parquet_without_the_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'flambeau\[tabular\]'"):
        read_parquet("people.parquet")


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"n": [1, 2], "c": pandas.Categorical([3, 4]), "d": pandas.to_datetime(["2024-01-02", None])}
    )
    table = Table.from_pandas(frame)
    assert table.kinds == {"n": "int", "c": "category", "d": "date"}
    assert table["d"].tolist() == [datetime.datetime(2024, 1, 2), None]
    with pytest.raises(TypeError, match="expected a DataFrame, got a dict"):
        Table.from_pandas({})


# ----- Splitting -----


def test_parts_are_the_whole_and_depend_on_the_seed():
    table = Table({"x": list(range(100))})
    parts = [part["x"].tolist() for part in split(table, seed=1)]
    assert [len(part) for part in parts] == [70, 15, 15]
    assert sorted(row for part in parts for row in part) == list(range(100))
    assert parts == [part["x"].tolist() for part in split(table, seed=1)]
    assert parts != [part["x"].tolist() for part in split(table, seed=2)]


def test_strata_keep_their_shares():
    table = Table({"x": list(range(200)), "y": ["a"] * 150 + ["b"] * 40 + ["c"] * 9 + ["d"]})
    parts = split(table, (0.6, 0.2, 0.2), stratify="y")
    counts = [[part["y"].tolist().count(name) for name in "abcd"] for part in parts]
    assert [len(part) for part in parts] == [120, 40, 40]
    assert [row[:2] for row in counts] == [[90, 24], [30, 8], [30, 8]] and counts[0][3] == 1
    assert sum(parts[0]["x"].tolist()) != sum(range(120))


@pytest.mark.parametrize(
    ("fractions", "options", "message"),
    [
        ((0.5, 0.4), {}, "sum to 1"),
        ((1.1, -0.1), {}, "positive"),
        ((0.99, 0.01), {}, "part 1 would get none"),
        ((0.5, 0.5), {"stratify": "x"}, "holds floats"),
    ],
)
def test_splits_that_are_wrong(fractions, options, message):
    with pytest.raises(ValueError, match=message):
        split(Table({"x": [0.5] * 10}), fractions, **options)


# ----- Preprocessing -----

TRAIN = Table(
    {
        "age": [20, None, 40, 60],
        "income": [1.0, 2.0, 3.0, 100.0],
        "town": ["Bern", "Basel", "Bern", None],
        "member": [True, False, None, True],
        "y": ["no", "yes", "no", "yes"],
    }
)


def test_numbers_are_standardised_filled_and_marked():
    encoded = Preprocessor(target="y").fit(TRAIN).transform(TRAIN)
    ages = np.array([20, 40, 60])
    expected = (np.array([20, 40, 40, 60]) - ages.mean()) / ages.std()
    np.testing.assert_allclose(encoded.numbers[:, 0].numpy(), expected, rtol=1e-6)
    assert encoded.numbers[:, 1].tolist() == [0, 1, 0, 0]
    assert encoded.numbers.dtype is torch.float32 and encoded.numbers.shape == (4, 3)
    assert encoded.categories.tolist() == [[2, 2], [1, 1], [2, 0], [0, 2]]
    assert encoded.target.tolist() == [0, 1, 0, 1]


def test_robust_scaling_is_not_moved_by_an_outlier():
    values = Preprocessor(numbers=["income"], categories=[], scale="robust").fit(TRAIN)(TRAIN).numbers[:, 0]
    low, middle, high = np.quantile([1, 2, 3, 100], (0.25, 0.5, 0.75))
    np.testing.assert_allclose(values.numpy(), (np.array([1, 2, 3, 100]) - middle) / (high - low), rtol=1e-6)


def test_quantile_scaling_makes_any_distribution_normal():
    x = np.exp(3 * np.random.default_rng(0).standard_normal(5000))
    table = Table({"x": x})
    scaled = Preprocessor(scale="quantile").fit(table)(table).numbers[:, 0].numpy()
    assert abs(scaled.mean()) < 0.01 and abs(scaled.std() - 1) < 0.02
    assert (np.diff(scaled[np.argsort(x)]) >= 0).all()
    ties = Table({"x": [0] * 50 + [1] * 50})
    low, high = Preprocessor(scale="quantile").fit(ties)(Table({"x": [-5, 7]})).numbers[:, 0].tolist()
    assert low == pytest.approx(-high, abs=1e-6) and 0.5 < high < 1


def test_a_constant_column_becomes_zero():
    for scale in ("standard", "robust", "quantile"):
        numbers = Preprocessor(scale=scale).fit(Table({"x": [0.1] * 3}))(Table({"x": [0.1]})).numbers
        assert numbers.tolist() == [[0.0]]


def test_rare_and_unseen_categories_are_zero_or_an_error():
    table = Table({"town": ["Bern", "Bern", "Chur"]})
    assert Preprocessor(min_freq=2).fit(table)(table).categories.flatten().tolist() == [1, 1, 0]
    strict = Preprocessor(unseen="error").fit(table)
    with pytest.raises(
        ValueError, match="in row 1 the category 'Brn', which was not in training; did you mean 'Bern'"
    ):
        strict(Table({"town": ["Chur", "Brn"]}))


def test_a_regression_comes_back_in_its_own_unit():
    table = Table({"x": [1, 2, 3], "y": [10.0, 20.0, 60.0]})
    preprocessor = Preprocessor(target="y").fit(table)
    target = preprocessor(table).target
    assert abs(target.mean().item()) < 1e-6 and target.dtype is torch.float32
    np.testing.assert_allclose(preprocessor.decode_target(target).numpy(), [10, 20, 60], rtol=1e-6)


def test_whole_numbers_as_classes_are_in_the_order_of_numbers():
    table = Table({"x": [1, 2, 3], "y": [10, 9, 10]})
    preprocessor = Preprocessor(target="y", task="classification").fit(table)
    assert preprocessor.classes == ["9", "10"] and preprocessor(table).target.tolist() == [1, 0, 1]
    assert preprocessor.decode_target(torch.tensor([0, 1])) == ["9", "10"]
    with pytest.raises(IndexError, match="no class 2"):
        preprocessor.decode_target([2])


@pytest.mark.parametrize("scale", ["standard", "quantile"])
def test_a_saved_preprocessor_is_exactly_the_same(tmp_path, scale):
    preprocessor = Preprocessor(target="y", scale=scale).fit(TRAIN)
    expected = preprocessor(TRAIN)
    torch.save(preprocessor.state_dict(), tmp_path / "p.pt")
    save_file({k: v.numpy() for k, v in preprocessor.state_dict().items()}, tmp_path / "p.safetensors")
    tensors = {k: torch.from_numpy(v) for k, v in load_file(tmp_path / "p.safetensors").items()}
    for state in (torch.load(tmp_path / "p.pt"), tensors):
        loaded = Preprocessor()
        loaded.load_state_dict(state)
        assert all(torch.equal(a, b) for a, b in zip(loaded(TRAIN), expected, strict=True))
        assert loaded.classes == ["no", "yes"] and repr(loaded) == repr(preprocessor)


def test_it_is_part_of_a_models_state_dict():
    both = torch.nn.ModuleDict({"preprocessor": Preprocessor().fit(TRAIN), "model": torch.nn.Linear(1, 1)})
    again = torch.nn.ModuleDict({"preprocessor": Preprocessor(), "model": torch.nn.Linear(1, 1)})
    again.load_state_dict(both.state_dict())
    assert again["preprocessor"].kinds == both["preprocessor"].kinds


def fitted():
    return Preprocessor(target="y").fit(TRAIN)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Preprocessor(scale="minmax"), "scale must be one of"),
        (lambda: Preprocessor()(TRAIN), "call fit"),
        (lambda: Preprocessor(numbers=["agee"]).fit(TRAIN), "did you mean 'age'"),
        (lambda: Preprocessor(target="z").fit(TRAIN), "no column 'z'"),
        (lambda: Preprocessor(numbers=["y"], target="y").fit(TRAIN), "'y' is the target"),
        (lambda: Preprocessor(numbers=["town"]).fit(TRAIN), "must hold numbers, row 0 has 'Bern'"),
        (lambda: Preprocessor().fit(Table({"x": [None, None]})), "'x' has no value in 2 rows"),
        (lambda: Preprocessor().fit(Table({"x": [1.0, np.inf]})), "finite numbers, row 1 has inf"),
        (lambda: Preprocessor(target="x").fit(Table({"x": [1, 2]})), "'x' is int: say task="),
        (lambda: Preprocessor(target="x").fit(Table({"x": ["a", None]})), "no value in row 1"),
        (lambda: Preprocessor().fit(Table({"x": ["2024-01-02"]}, {"x": "date"})), "table.encode_dates"),
        (lambda: Preprocessor().fit(Table({"x": ["a b"]}, {"x": "text"})), "name it in categories="),
        (lambda: fitted()(TRAIN.drop("age")), "no column 'age'"),
        (lambda: fitted()(TRAIN.with_column("age", ["1", "2", "3", "old"])), "row 3 has 'old'"),
        (lambda: fitted()(TRAIN.with_column("town", [1, 2, 3, 4])), "was category .* is int"),
        (lambda: fitted()(TRAIN.with_column("y", ["no", "perhaps"] * 2)), "the class 'perhaps'"),
        (lambda: Preprocessor(scale="none").fit(Table({"x": [1.0]}))(Table({"x": [1e300]})), "float32"),
        (lambda: Preprocessor().fit(TRAIN).decode_target([0]), "without a target"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_or_transformed(make, message):
    with pytest.raises((ValueError, KeyError, RuntimeError), match=message):
        make()


def test_text_is_taken_if_it_is_named_or_left_out():
    table = Table({"x": [1, 2], "note": ["a b", "c d"]}, {"note": "text"})
    assert Preprocessor(categories=["note"]).fit(table)(table).categories.flatten().tolist() == [1, 2]
    assert Preprocessor(numbers=["x"], categories=[]).fit(table)(table).categories.shape == (2, 0)


def test_new_rows_are_read_with_the_kinds_of_training(tmp_path):
    preprocessor = Preprocessor().fit(written(tmp_path, "zip,n\n0815,1\n4711,2\n"))
    new = written(tmp_path, "zip,n\n4711,1\n")
    with pytest.raises(ValueError, match=r"kinds=preprocessor\.kinds"):
        preprocessor(new)
    assert preprocessor(
        written(tmp_path, "zip,n\n4711,1\n", kinds=preprocessor.kinds)
    ).categories.tolist() == [[2]]


# ----- Dataset and model -----


def test_batches_are_the_items_stacked():
    data = TabularDataset(TRAIN, fitted())
    (batch,) = DataLoader(data, batch_size=4)
    for whole, column in zip(batch, zip(*data, strict=True), strict=True):
        assert torch.equal(whole, torch.stack(column))
    named = TabularDataset(TRAIN.drop("y"), fitted(), as_dict=True)
    assert list(named[0]) == ["categories", "numbers"]
    (batch,) = DataLoader(named, batch_size=4)
    assert torch.equal(batch["numbers"], named.encoded.numbers)


def test_the_model_learns_and_an_unseen_category_counts_nothing():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    town, x = rng.integers(0, 3, 300), rng.standard_normal(300)
    y = (town == 1) ^ (x > 0)
    table = Table({"town": [f"t{i}" for i in town], "x": x, "y": y})
    preprocessor = Preprocessor(target="y").fit(table)
    model = TabularModel.suited_to(preprocessor, hidden=(32, 16), dropout=0.0)
    data = TabularDataset(table, preprocessor)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(15):
        for categories, numbers, target in DataLoader(data, 50, shuffle=True):
            loss = torch.nn.functional.cross_entropy(model(categories, numbers), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    categories, numbers, target = data[:]
    assert (model(categories, numbers).argmax(1) == target).float().mean().item() > 0.97
    assert model.embeddings[0].weight[0].tolist() == [0.0] * model.embeddings[0].embedding_dim


def test_one_output_has_the_shape_of_the_target():
    table = TRAIN.with_column("y", [1.0, 2.0, 3.0, 4.0])
    preprocessor = Preprocessor(target="y").fit(table)
    categories, numbers, target = TabularDataset(table, preprocessor)[:]
    assert TabularModel.suited_to(preprocessor)(categories, numbers).shape == target.shape
    only = TabularModel(preprocessor.embedding_sizes, 0, batch_norm=False)
    assert only(categories, numbers[:, :0]).shape == (4,)


def test_inputs_of_another_width_are_refused():
    with pytest.raises(ValueError, match="neither categories nor numbers"):
        TabularModel([], 0)
    with pytest.raises(ValueError, match=r"expected categories \(N, 1\) and numbers \(N, 2\), got \(3, 2\)"):
        TabularModel([(2, 2)], 2)(torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3, 2))

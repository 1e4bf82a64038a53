"""Datasets read from files that the tests write in the datasets' own formats."""

import gzip
import hashlib
import io
import lzma
import pickle
import pickletools
import struct
import tarfile
import warnings
import zipfile
import zlib

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data import DataLoader, Subset
from flambeau.vision import datasets, transforms
from flambeau.vision.datasets.arrays import in_batches

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


def md5(content):
    return hashlib.md5(content).hexdigest()


def idx(array):
    code = {"uint8": 8, "int32": 12, "float32": 13}[array.dtype.name]
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


IMAGES = RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 12, dtype=np.uint8)


@pytest.fixture
def mnist(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[:5])))
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[:5])))
    return tmp_path


def test_mnist(mnist):
    data = datasets.MNIST(mnist)
    assert len(data) == 12 and data.data.dtype is torch.uint8 and data.targets.dtype is torch.int64
    assert data.data.shape == (12, 28, 28) and data.targets.tolist() == LABELS.tolist()
    image, label = data[3]
    assert image.mode == "L" and type(label) is int and label == LABELS[3]
    assert (np.asarray(image) == IMAGES[3]).all()
    assert data.class_to_idx["4 - four"] == 4
    test = datasets.MNIST(mnist, train=False, transform=transforms.ToTensor(), target_transform=str)
    assert len(test) == 5 and test[1][1] == str(LABELS[1])
    np.testing.assert_array_equal(test[1][0].numpy()[0], IMAGES[1].astype(np.float32) / np.float32(255))
    with pytest.warns(UserWarning, match="train_data has been renamed data"):
        assert data.train_data is data.data


def test_mnist_describes_itself(mnist):
    data = datasets.MNIST(str(mnist), transform=transforms.Compose([transforms.ToTensor()]))
    assert repr(data).splitlines() == [
        "Dataset MNIST",
        "    Number of datapoints: 12",
        f"    Root location: {mnist}",
        "    Split: Train",
        "    StandardTransform",
        "    Transform: Compose(",
        "                   ToTensor()",
        "               )",
    ]


def test_batches_at_once_are_those_one_by_one(mnist):
    normal = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    for transform in (transforms.ToTensor(), transforms.PILToTensor(), normal):
        data = datasets.MNIST(mnist, transform=transform)
        whole = data.__getbatch__([5, 0, -1])
        single = torch.utils.data.default_collate([data[i] for i in (5, 0, -1)])
        assert torch.equal(whole[0], single[0]) and torch.equal(whole[1], single[1])
        assert whole[0].dtype is single[0].dtype and whole[1].dtype is single[1].dtype
        for images, labels in DataLoader(Subset(data, range(8)), batch_size=4):
            assert images.shape == (4, 1, 28, 28) and labels.shape == (4,)


def test_what_cannot_be_done_at_once_is_done_one_by_one(mnist):
    assert in_batches(transforms.RandomHorizontalFlip()) is None
    assert in_batches(transforms.Compose([transforms.ToTensor(), transforms.RandomErasing()])) is None
    assert in_batches(None) is None and in_batches(transforms.Compose([])) is None

    class Half(transforms.ToTensor):
        def __call__(self, pic):
            return super().__call__(pic) / 2

    assert in_batches(Half()) is None
    flip = transforms.Compose([transforms.RandomHorizontalFlip(1.0), transforms.ToTensor()])
    data = datasets.MNIST(mnist, transform=flip)
    assert data.__getbatch__([0]) is NotImplemented
    (batch,) = [x for x, _ in DataLoader(data, batch_size=12)]
    np.testing.assert_array_equal(batch.numpy()[:, 0, :, ::-1] * 255, IMAGES)
    targets = datasets.MNIST(mnist, transform=transforms.ToTensor(), target_transform=lambda t: t + 1)
    assert next(iter(DataLoader(targets, 2)))[1].tolist() == (LABELS[:2] + 1).tolist()


def test_transforms_and_data_may_be_replaced(mnist):
    data = datasets.MNIST(mnist)
    data.transform = transforms.ToTensor()
    data.data, data.targets = data.data[4:], data.targets[4:]
    assert len(data) == 8 and data[0][1] == LABELS[4]
    assert next(iter(DataLoader(data, 8)))[1].tolist() == LABELS[4:].tolist()


def test_download_of_mnist(tmp_path, capsys):
    source = tmp_path / "mirror"
    source.mkdir()
    files = {
        "train-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES)),
        "train-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS)),
        "t10k-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES)),
        "t10k-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS)),
    }
    for name, content in files.items():
        (source / name).write_bytes(content)

    class MNIST(datasets.MNIST):
        mirrors = [(tmp_path / "nowhere").as_uri() + "/", source.as_uri() + "/"]  # noqa: RUF012
        resources = [(name, md5(content)) for name, content in files.items()]  # noqa: RUF012

    assert len(MNIST(tmp_path, download=True)) == 12
    for name in files:
        (source / name).unlink()
    assert len(MNIST(tmp_path, train=False, download=True)) == 12  # all of it is there

    class Lost(MNIST):
        mirrors = [source.as_uri() + "/"]  # noqa: RUF012

    with pytest.raises(RuntimeError, match="Error downloading train-images"):
        Lost(tmp_path, download=True)


def test_missing_and_damaged_files(mnist):
    with pytest.raises(RuntimeError, match=r"FashionMNIST: Dataset not found.*download=True"):
        datasets.FashionMNIST(mnist)
    images = mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(idx(IMAGES)[:-1])
    with pytest.raises(RuntimeError, match="is not whole"):
        datasets.MNIST(mnist)
    images.write_bytes(b"<html>404</html>")
    with pytest.raises(RuntimeError, match="is no idx file"):
        datasets.MNIST(mnist)
    images.write_bytes(idx(IMAGES[:3]))
    with pytest.raises(RuntimeError, match="each N with a label"):
        datasets.MNIST(mnist)
    compressed = mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    compressed.write_bytes(compressed.read_bytes()[:40])
    with pytest.raises(RuntimeError, match="is damaged"):
        datasets.MNIST(mnist, train=False)


def test_emnist(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for part in ("train", "test"):
            archive.writestr(f"gzip/emnist-letters-{part}-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES)))
            archive.writestr(f"gzip/emnist-letters-{part}-labels-idx1-ubyte.gz", gzip.compress(idx(LABELS)))
    (tmp_path / "gzip.zip").write_bytes(packed.getvalue())

    class EMNIST(datasets.EMNIST):
        url, md5 = (tmp_path / "gzip.zip").as_uri(), md5(packed.getvalue())

    data = EMNIST(tmp_path, "letters", download=True)
    assert len(data) == 12 and data.classes[1] == "a" and data[2][1] == LABELS[2]
    assert len(EMNIST(tmp_path, "letters", train=False)) == 12
    with pytest.raises(ValueError, match="Unknown value 'words' for argument split"):
        EMNIST(tmp_path, "words")


def test_qmnist(tmp_path):
    labels = RNG.integers(0, 10, (12, 8), dtype=np.int32)
    raw = tmp_path / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "qmnist-train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (raw / "qmnist-train-labels-idx2-int").write_bytes(idx(labels))
    data = datasets.QMNIST(tmp_path, transform=transforms.ToTensor())
    assert data[3][1] == labels[3, 0]
    assert next(iter(DataLoader(data, 3)))[1].tolist() == labels[:3, 0].tolist()
    full = datasets.QMNIST(tmp_path, compat=False, transform=transforms.ToTensor())
    assert full[3][1].tolist() == labels[3].tolist()
    assert next(iter(DataLoader(full, 3)))[1].tolist() == labels[:3].tolist()

    source = tmp_path / "source"
    source.mkdir()
    packed = {"xnist-images-idx3-ubyte.xz": idx(IMAGES), "xnist-labels-idx2-int.xz": idx(labels)}
    files = {name: lzma.compress(content) for name, content in packed.items()}
    for name, content in files.items():
        (source / name).write_bytes(content)

    class QMNIST(datasets.QMNIST):
        resources = {"nist": [((source / n).as_uri(), md5(c)) for n, c in files.items()]}  # noqa: RUF012

    assert len(QMNIST(tmp_path, "nist", download=True)) == 12


# ----- Pickles -----


class _Pickler(pickle._Pickler):
    """Writes strings as Python 2 did."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def _string(self, text):
        content = text if isinstance(text, bytes) else text.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = _string


def pickled(x):
    file = io.BytesIO()
    _Pickler(file, 2).dump(x)
    return file.getvalue().replace(b"numpy._core", b"numpy.core")


PIXELS = RNG.integers(0, 256, (8, 3072), dtype=np.uint8)


def cifar(tmp_path, base, files, packed=None):
    """A subclass of `base` whose checksums are those of `files`."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{base.base_folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    path = tmp_path / base.filename
    path.write_bytes(archive.getvalue())

    class Small(base):
        url, tgz_md5 = path.as_uri(), md5(archive.getvalue())
        train_list = [[n, md5(c)] for n, c in files.items() if n.startswith(("data", "train"))]  # noqa: RUF012
        test_list = [[n, md5(c)] for n, c in files.items() if n.startswith("test")]  # noqa: RUF012
        meta = {**base.meta, "md5": md5(files[base.meta["filename"]])}  # noqa: RUF012

    return Small


def test_cifar10(tmp_path):
    part = [pickled({"data": PIXELS[i : i + 4], "labels": [1, 2, 3, 0], "batch_label": "x"}) for i in (0, 4)]
    assert any(op.name == "BINSTRING" for op, _, _ in pickletools.genops(part[0]))
    names = ["plane", "car", "bird", "cat"]
    files = {"data_batch_1": part[0], "data_batch_2": part[1], "test_batch": part[1]}
    cls = cifar(tmp_path, datasets.CIFAR10, {**files, "batches.meta": pickled({"label_names": names})})
    data = cls(tmp_path / "data", download=True, transform=transforms.ToTensor())
    assert (
        data.data.shape == (8, 32, 32, 3)
        and data.data.dtype == np.uint8
        and data.targets[3:] == [0, 1, 2, 3, 0]
    )
    assert data.classes == names and data.class_to_idx["bird"] == 2
    expected = PIXELS.reshape(8, 3, 32, 32).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(data[5][0].numpy(), expected[5])
    images, labels = next(iter(DataLoader(data, 8)))
    np.testing.assert_array_equal(images.numpy(), expected)
    assert labels.tolist() == data.targets and labels.dtype is torch.int64
    image, _ = cls(tmp_path / "data", train=False)[0]
    assert image.mode == "RGB" and image.size == (32, 32)

    (tmp_path / "data" / cls.base_folder / "data_batch_2").write_bytes(part[0])
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        cls(tmp_path / "data")


def test_cifar100(tmp_path):
    part = pickled({"data": PIXELS, "fine_labels": list(range(8)), "coarse_labels": [0] * 8})
    names = [str(i) for i in range(8)]
    meta = pickled({"fine_label_names": names, "coarse_label_names": []})
    cls = cifar(tmp_path, datasets.CIFAR100, {"train": part, "test": part, "meta": meta})
    data = cls(tmp_path, download=True)
    assert data.targets == list(range(8)) and data.classes == names


def test_a_pickle_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "evil.txt"), "w"))

    files = {"data_batch_1": pickle.dumps({"data": Evil(), "labels": []}), "batches.meta": b""}
    cls = cifar(tmp_path, datasets.CIFAR10, files)
    with pytest.raises(pickle.UnpicklingError):
        cls(tmp_path, download=True)
    assert not (tmp_path / "evil.txt").exists()


# ----- Binary files -----


def _element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def mat(arrays, compressed=True):
    """A MATLAB file of arrays of bytes."""
    file = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    for name, array in arrays.items():
        flags = _element(6, struct.pack("<II", 9, 0))
        extents = _element(5, struct.pack(f"<{array.ndim}i", *array.shape))
        small = struct.pack("<HH", 1, len(name)) + name.encode().ljust(4)  # a small element
        body = _element(14, flags + extents + small + _element(2, array.tobytes("F")))
        if compressed:
            packed = zlib.compress(body)
            body = struct.pack("<II", 15, len(packed)) + packed
        file += body
    return file


@pytest.mark.parametrize("compressed", [True, False])
def test_svhn(tmp_path, compressed):
    pixels = RNG.integers(0, 256, (32, 32, 3, 6), dtype=np.uint8)
    labels = np.array([[1], [10], [3], [4], [9], [10]], np.uint8)
    content = mat({"X": pixels, "y": labels}, compressed)
    (tmp_path / "file.mat").write_bytes(content)

    class SVHN(datasets.SVHN):
        split_list = {"train": [(tmp_path / "file.mat").as_uri(), "a.mat", md5(content)]}  # noqa: RUF012

    data = SVHN(tmp_path / "data", download=True, transform=transforms.PILToTensor())
    assert data.data.shape == (6, 3, 32, 32) and data.labels.tolist() == [1, 0, 3, 4, 9, 0]
    np.testing.assert_array_equal(data[2][0].numpy(), pixels[..., 2].transpose(2, 0, 1))
    images, batch_labels = next(iter(DataLoader(data, 6)))
    np.testing.assert_array_equal(images.numpy(), pixels.transpose(3, 2, 0, 1))
    assert batch_labels.tolist() == [1, 0, 3, 4, 9, 0]
    for broken in (content[:200], content[:-9]):
        (tmp_path / "data" / "a.mat").write_bytes(broken)
        SVHN.split_list["train"][2] = md5(broken)
        with pytest.raises(RuntimeError, match="is damaged"):
            SVHN(tmp_path / "data")


def test_matlab_files_as_scipy_writes_them(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    arrays = {"a": RNG.random((3, 4)), "bc": np.arange(24, dtype=np.int16).reshape(2, 3, 4)}
    for compressed in (True, False):
        scipy_io.savemat(tmp_path / "a.mat", arrays, do_compression=compressed)
        read = datasets.svhn.read_mat(str(tmp_path / "a.mat"))
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype


def test_stl10(tmp_path):
    images = RNG.integers(0, 256, (20, 3, 96, 96), dtype=np.uint8)
    files = {
        "train_X.bin": images[:10],
        "train_y.bin": np.arange(1, 11, dtype=np.uint8),
        "unlabeled_X.bin": images[10:13],
        "test_X.bin": images[13:],
        "test_y.bin": np.arange(1, 8, dtype=np.uint8),
    }
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for name, array in files.items():  # column by column
        (array.transpose(0, 1, 3, 2) if array.ndim == 4 else array).tofile(folder / name)
    (folder / "class_names.txt").write_text("plane\nbird\n")
    (folder / "fold_indices.txt").write_text("1 3\n" * 10)

    class STL10(datasets.STL10):
        train_list = [[n, None] for n in list(files)[:3]]  # noqa: RUF012
        test_list = [[n, None] for n in list(files)[3:]]  # noqa: RUF012

    data = STL10(tmp_path, transform=transforms.PILToTensor())
    assert data.labels.tolist() == list(range(10)) and data.classes == ["plane", "bird"]
    np.testing.assert_array_equal(data[4][0].numpy(), images[4])
    np.testing.assert_array_equal(next(iter(DataLoader(data, 10)))[0].numpy(), images[:10])
    assert STL10(tmp_path, folds=2).labels.tolist() == [1, 3]
    assert STL10(tmp_path, "train+unlabeled").labels.tolist() == [*range(10), -1, -1, -1]
    assert len(STL10(tmp_path, "unlabeled")) == 3 and len(STL10(tmp_path, "test")) == 7
    with pytest.raises(ValueError, match="folds should be in the range"):
        STL10(tmp_path, folds=10)


# ----- Folders -----


@pytest.fixture
def tree(tmp_path):
    for i, name in enumerate(["dog/b.png", "dog/a.PNG", "cat/deep/c.jpg", "cat/notes.txt"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("text")
        else:
            Image.new("RGB", (4, 3), (i, 0, 0)).save(path)
    return tmp_path


def test_image_folder(tree):
    data = datasets.ImageFolder(tree, transform=transforms.ToTensor())
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    names = [path[len(str(tree)) + 1 :] for path, _ in data.samples]
    assert names == ["cat/deep/c.jpg", "dog/a.PNG", "dog/b.png"] and data.targets == [0, 1, 1]
    assert data.imgs is data.samples
    image, label = data[1]
    assert image.shape == (3, 3, 4) and label == 1
    images, labels = next(iter(DataLoader(data, 3)))
    assert images.shape == (3, 3, 3, 4) and labels.tolist() == [0, 1, 1]


def test_dataset_folder_and_its_errors(tree):
    texts = datasets.DatasetFolder(tree, str.upper, ".txt", allow_empty=True)
    assert len(texts) == 1
    with pytest.raises(FileNotFoundError, match="no valid file for the classes dog"):
        datasets.DatasetFolder(tree, open, ".txt")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        datasets.ImageFolder(tree / "nowhere")
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder"):
        datasets.ImageFolder(tree / "dog")
    with pytest.raises(ValueError, match="cannot be None or not None at the same time"):
        datasets.DatasetFolder(tree, open)
    chosen = datasets.ImageFolder(tree, is_valid_file=lambda path: path.endswith(("c.jpg", "b.png")))
    assert chosen.targets == [0, 1]


def test_fake_data_is_the_same_each_time():
    state = torch.get_rng_state()
    data = datasets.FakeData(4, (3, 8, 8), 5)
    assert (np.asarray(data[2][0]) == np.asarray(data[2][0])).all() and data[2][1] == data[2][1] < 5
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(IndexError):
        data[4]


def test_both_kinds_of_transforms(tmp_path):
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform"):
        datasets.VisionDataset(tmp_path, transforms=lambda x, y: (x, y), transform=lambda x: x)
    with pytest.raises(TypeError, match="__len__"):
        len(datasets.VisionDataset(tmp_path))


def test_nothing_warns_about_workers(mnist):
    data = datasets.MNIST(mnist, transform=transforms.ToTensor())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sum(len(y) for _, y in DataLoader(data, 5, num_workers=1)) == 12

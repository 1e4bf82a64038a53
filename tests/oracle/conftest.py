"""All tests in this folder compare with PyTorch: `-m oracle` chooses them, `-m "not oracle"` leaves them
out."""

from pathlib import Path

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("oracle")

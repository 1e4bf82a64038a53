"""`python -m flambeau.distributed.launch`: the old name of `flambeau.distributed.run`."""

import sys

from .run import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())

"""`python -m flambeau` is the `flambeau` command."""

import sys

from .cli import main

sys.exit(main())

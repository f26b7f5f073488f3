"""`python -m daskfleet_images.node`."""

import sys

from daskfleet_images.node.main import main

sys.exit(main())

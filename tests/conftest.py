"""What all tests share."""

import os

os.environ.setdefault("CHAINRULE_CACHE_DIR", "off")  # tests neither read nor fill a user's cache

"""Parts of scripts/bench."""

import results  # noqa: F401  puts the checkout on the path, where `runtime` may be

"""python -m tests.proof: the campaign, or one seed with its trace.

python -m tests.proof --seed 17 -v        one run, step by step
python -m tests.proof --runs 2000 --from 1 [--jobs 2] [--report]
"""

from __future__ import annotations

import sys

from tests.proof.campaign import main

if __name__ == "__main__":
    sys.exit(main())

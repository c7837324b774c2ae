"""A process that imports one library and fits its estimator to a table when it is told to.

It is started with a library, a table, a dtype and a number of cores as JSON. For each line of JSON with a
seed it splits the rows, fits to three quarters of them, or to so many of these as the line says, and answers
with the seconds of `fit` and the score on the others.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

from benchmarks.machine import stay_on_cores


def main() -> None:
    order = json.loads(sys.argv[1])
    stay_on_cores(order["threads"])  # before a library is imported, which looks how many there are
    from sklearn.model_selection import train_test_split

    from benchmarks.tables import TABLES

    warnings.simplefilter("ignore")  # defaults do not converge everywhere
    table = TABLES[order["table"]]
    x, y = table.rows(order["dtype"])
    for line in sys.stdin:
        asked = json.loads(line)
        seed, rows = asked["seed"], asked["rows"]
        stratify = y if table.kind == "MLPClassifier" else None
        x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=seed, stratify=stratify)
        estimator = table.estimator(order["library"], seed)
        started = time.perf_counter()
        estimator.fit(x_train[:rows], y_train[:rows])
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "score": estimator.score(x_test, y_test)}), flush=True)


if __name__ == "__main__":
    main()

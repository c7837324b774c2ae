"""Training steps in plain NumPy, as people write them for a course; mistakes are planted by name."""

import itertools

import numpy as np

ACTIVATIONS = {
    "tanh": (np.tanh, lambda a: 1 - a**2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
    "relu": (lambda z: np.maximum(z, 0), lambda a: (a > 0) * 1.0),
}

SOFTMAX = ("softmax twice in the loss", "softmax twice in the gradient", "softmax twice")


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def through_jacobian(p, by_p):
    jacobian = np.einsum("ij,jk->ijk", p, np.eye(p.shape[1])) - p[:, :, None] * p[:, None, :]
    return np.einsum("ij,ijk->ik", by_p, jacobian)


def row_by_row(p, by_p):
    return np.stack([(np.diag(row) - np.outer(row, row)) @ by for row, by in zip(p, by_p, strict=True)])


WRITTEN = {"jacobian": through_jacobian, "by rows": row_by_row}


def layers_of(weights, biases):
    """The weights as pairs (W, b)."""
    arrays = list(weights.values()) if isinstance(weights, dict) else list(weights)
    if not biases:
        return [(w, 0.0) for w in arrays]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def homework(
    *mistakes,
    activation="tanh",
    output=None,
    loss="cross_entropy",
    biases=True,
    dtype=float,
    decay=0.0,
    epsilon=0.0,
    unit=1.0,
    delta="p - t",
    smoothing=0.0,
    class_weights=None,
):
    """A step of a net with any number of hidden layers, with these mistakes in it.

    The loss is `unit` times what it is called; `delta` is how the derivative of softmax is written. Labels of
    cross-entropy may be smoothed, and classes weighted.
    """
    written, planted = delta, set(mistakes)
    of_loss, of_gradient = (
        bool({f"softmax twice in the {place}", "softmax twice"} & planted) for place in ("loss", "gradient")
    )
    f, slope = ACTIVATIONS[activation]
    g, last_slope = ACTIVATIONS[output] if output else (lambda z: z, np.ones_like)

    def step(weights, x, y, learning_rate):
        layers = [(np.asarray(w, dtype), np.asarray(b, dtype)) for w, b in layers_of(weights, biases)]
        x, rows = np.asarray(x, dtype), len(x)
        a = [x]
        for w, b in layers[:-1]:
            a.append(f(a[-1] @ w + b))
        z = g(a[-1] @ layers[-1][0] + layers[-1][1])
        if loss == "cross_entropy":
            p = used = softmax(z)
            if of_loss:
                p = softmax(p)
            if of_gradient:
                used = softmax(used)
            target = np.eye(z.shape[1])[np.asarray(y, int)] if np.ndim(y) == 1 else y
            weight = 1.0 if class_weights is None else target @ class_weights[: z.shape[1], None]
            if smoothing:
                target = (1 - smoothing) * target + smoothing / z.shape[1]
            value = -np.sum(weight * target * np.log(p + epsilon)) / rows
            delta = weight * (used - target) / rows
            if output:
                delta = delta * last_slope(z)
            if written != "p - t":
                by_p = -weight * target / softmax(z) / rows
                delta = WRITTEN[written](softmax(z), by_p) * last_slope(z)
        elif loss == "brier":
            p = softmax(z)
            value = np.sum((p - y) ** 2) / 2 / rows
            delta = p * (p - y - np.sum(p * (p - y), axis=1, keepdims=True)) / rows
        else:
            value = np.sum((z - y) ** 2) / rows
            delta = 2 * (z - y) / rows
        value, delta = unit * value, unit * delta
        if "sum" in planted:
            delta = delta * rows
        if "mean of a sum" in planted:
            value = value * rows
        if "all a sum" in planted:
            value, delta = value * rows, delta * rows
        if "factor" in planted:
            delta = delta * 2
        if "uphill" in planted:
            delta = -delta
        rate = 0.01 if "no rate" in planted else learning_rate
        new = [[w, b] for w, b in layers]
        for i in reversed(range(len(layers))):
            dw, db = a[i].T @ delta, delta.sum(axis=0)
            if "transposed" in planted:
                dw = dw.T.reshape(dw.shape)
            old = layers[i][0]
            if decay:
                value, dw = value + decay * np.sum(old**2) / 2, dw + decay * old
            if "weight" not in planted:
                new[i][0] = old - np.asarray(rate * dw, dtype)
            if "bias" not in planted and not ("last bias" in planted and i == len(layers) - 1):
                new[i][1] = new[i][1] - np.asarray(rate * db, dtype)
            back = new[i][0] if "order" in planted else old
            if i:
                delta = delta @ back.T if "no slope" in planted else (delta @ back.T) * slope(a[i])
        if "late loss" in planted:
            h = x
            for w, b in new[:-1]:
                h = f(h @ w + b)
            value = -np.mean(np.sum(target * np.log(softmax(h @ new[-1][0] + new[-1][1])), axis=1))
        arrays = [array for pair in new for array in (pair if biases else pair[:1])]
        return value, dict(zip(weights, arrays, strict=True)) if isinstance(weights, dict) else arrays

    return step


def in_columns(step):
    """The same step for examples in columns, W @ x + b."""

    def turned(weights, x, y, learning_rate):
        inner = [w.T if w.shape[1] > 1 else w.ravel() for w in weights]
        loss, new = step(inner, x.T, np.transpose(y), learning_rate)
        return loss, [np.reshape(w.T, given.shape) for w, given in zip(new, weights, strict=True)]

    return turned


def columns(weights, x, y):
    """A problem of classes for it."""
    classes = 1 + np.max(y)
    return (
        [w.T if w.ndim == 2 else w[:, None] for w in weights],
        x.T,
        np.eye(max(classes, len(weights[-1])))[y].T,
    )


def problem(widths=(4, 5, 3), rows=6, seed=0, *, classes=True, biases=True, named=False):
    """Weights, x and y."""
    generator = np.random.default_rng(seed)
    weights = {}
    for i, (n, m) in enumerate(itertools.pairwise(widths)):
        weights[f"W{i + 1}"] = generator.normal(size=(n, m)) / np.sqrt(n)
        if biases:
            weights[f"b{i + 1}"] = 0.1 * generator.normal(size=m)
    x = generator.normal(size=(rows, widths[0]))
    y = generator.integers(widths[-1], size=rows) if classes else generator.normal(size=(rows, widths[-1]))
    return (weights if named else list(weights.values())), x, y

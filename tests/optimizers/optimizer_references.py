"""The papers' formulas once more, in NumPy and float64: what the optimizers are compared with.

Each `..._rule(o, slots, w, g, t, rate)` changes the dict `slots` and returns the new weights.
"""

import numpy as np


def sgd_rule(o, slots, w, g, t, rate):
    v = slots["v"] = o.momentum * slots.get("v", 0) + g
    return w - rate * (g + o.momentum * v if o.nesterov else v)


def rmsprop_rule(o, slots, w, g, t, rate):
    s = slots["s"] = o.rho * slots.get("s", 0) + (1 - o.rho) * g**2
    m = slots["m"] = o.rho * slots.get("m", 0) + (1 - o.rho) * g
    q = g / (np.sqrt(np.maximum(s - m**2, 0) if o.centered else s) + o.epsilon)
    v = slots["v"] = o.momentum * slots.get("v", 0) + q
    return w - rate * v


def adagrad_rule(o, slots, w, g, t, rate):
    slots["s"] = slots.get("s", 0) + g**2
    return w - rate * g / (slots["s"] ** 0.5 + o.epsilon)


def adadelta_rule(o, slots, w, g, t, rate):
    s = slots["s"] = o.rho * slots.get("s", 0) + (1 - o.rho) * g**2
    u = slots.get("u", 0)
    delta = g * ((u + o.epsilon) / (s + o.epsilon)) ** 0.5
    slots["u"] = o.rho * u + (1 - o.rho) * delta**2
    return w - rate * delta


def moments(o, slots, g):
    slots["m"] = o.beta_1 * slots.get("m", 0) + (1 - o.beta_1) * g
    slots["s"] = o.beta_2 * slots.get("s", 0) + (1 - o.beta_2) * g**2
    return slots["m"], slots["s"]


def adam_rule(o, slots, w, g, t, rate):
    m, s = moments(o, slots, g)
    return w - rate * (m / (1 - o.beta_1**t)) / (np.sqrt(s / (1 - o.beta_2**t)) + o.epsilon)


def amsgrad_rule(o, slots, w, g, t, rate):
    m, s = moments(o, slots, g)
    slots["u"] = np.maximum(slots.get("u", 0), s)
    return w - rate * (m / (1 - o.beta_1**t)) / (np.sqrt(slots["u"] / (1 - o.beta_2**t)) + o.epsilon)


def nadam_rule(o, slots, w, g, t, rate):
    m, s = moments(o, slots, g)
    mu = [o.beta_1 * (1 - 0.5 * 0.96 ** (i * o.momentum_decay)) for i in range(1, t + 2)]
    m_bar = mu[t] * m / (1 - np.prod(mu)) + (1 - mu[t - 1]) * g / (1 - np.prod(mu[:t]))
    return w - rate * m_bar / (np.sqrt(s / (1 - o.beta_2**t)) + o.epsilon)


def radam_rule(o, slots, w, g, t, rate):
    m, s = moments(o, slots, g)
    m_hat = m / (1 - o.beta_1**t)
    longest = 2 / (1 - o.beta_2) - 1
    rho = longest - 2 * t * o.beta_2**t / (1 - o.beta_2**t)
    if rho <= 5:
        return w - rate * m_hat
    r = np.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
    return w - rate * m_hat * r * np.sqrt(1 - o.beta_2**t) / (np.sqrt(s) + o.epsilon)


def lion_rule(o, slots, w, g, t, rate):
    m = slots.get("m", 0)
    slots["m"] = o.beta_2 * m + (1 - o.beta_2) * g
    return w - rate * np.sign(o.beta_1 * m + (1 - o.beta_1) * g)


RULES = {
    "sgd": sgd_rule,
    "rmsprop": rmsprop_rule,
    "adagrad": adagrad_rule,
    "adadelta": adadelta_rule,
    "adam": adam_rule,
    "amsgrad": amsgrad_rule,
    "adamw": adam_rule,
    "nadam": nadam_rule,
    "radam": radam_rule,
    "lion": lion_rule,
}
DECOUPLED = {"adamw", "lion"}


def clipped(o, gradients):
    """Gradients by name, limited by value, by norm, and by the norm of all."""
    gradients = dict(gradients)
    if o.clip_value is not None:
        gradients = {name: np.clip(g, -o.clip_value, o.clip_value) for name, g in gradients.items()}
    if o.clip_norm is not None:
        for name, g in gradients.items():
            norm = np.linalg.norm(g.ravel())
            gradients[name] = g * o.clip_norm / norm if norm > o.clip_norm else g
    if o.clip_global_norm is not None:
        norm = np.linalg.norm(np.concatenate([g.ravel() for g in gradients.values()]))
        if norm > o.clip_global_norm:
            gradients = {name: g * o.clip_global_norm / norm for name, g in gradients.items()}
    return gradients


def factor_of(o, name):
    fitting = [key for key in o.learning_rate_factors if f"{name}.".startswith(f"{key}.")]
    return o.learning_rate_factors[max(fitting, key=len)] if fitting else 1.0


def train(key, o, weights, gradients_of, steps):
    """Return the weights after each step."""
    weights = {name: np.asarray(w, float) for name, w in weights.items()}
    slots = {name: {} for name in weights}
    path = []
    for t in range(1, steps + 1):
        gradients = clipped(o, gradients_of(weights))
        for name, old in weights.items():
            w, g = old, gradients[name]
            rate = o.learning_rate(t - 1) if callable(o.learning_rate) else o.learning_rate
            rate = rate * factor_of(o, name)
            if key in DECOUPLED:
                w = w * (1 - rate * o.weight_decay)
            else:
                g = g + o.weight_decay * w
            weights[name] = RULES[key](o, slots[name], w, g, t, rate)
        path.append(dict(weights))
    return path


def average(path, decay, name):
    """The weighted mean of all weights so far, newest first: 1, d, d², ..."""
    powers = decay ** np.arange(len(path))[::-1]
    return np.tensordot(powers / powers.sum(), np.array([weights[name] for weights in path]), 1)

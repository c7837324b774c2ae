"""A multi-layer network in NumPy and float64, written from the four equations of backpropagation.

    δ^L     = ∇_a C ⊙ σ'(z^L)                    (BP1)
    δ^l     = (W^{l+1}ᵀ δ^{l+1}) ⊙ σ'(z^l)       (BP2)
    ∂C/∂b^l = δ^l                                (BP3)
    ∂C/∂W^l = δ^l a^{l-1}ᵀ                       (BP4)

Nielsen, "Neural networks and deep learning", chapter 2, 2015. The textbook's weights are (out, in); these
are (in, out), so its gradient is a^{l-1} δ^lᵀ. Nothing here knows chainrule.
"""

from dataclasses import dataclass

import numpy as np

SIGMA = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0.0),
    "identity": lambda z: z,
}
SIGMA_PRIME = {
    "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "relu": lambda z: np.where(z > 0, 1.0, 0.0),
    "identity": np.ones_like,
}


def squared_error(a, y):
    """C of one row and ∇_a C, where C = mean_j (a_j - y_j)²."""
    return np.mean((a - y) ** 2), 2 * (a - y) / a.size


def cross_entropy(a, y):
    """C of one row and ∇_a C, where C = -ln softmax(a)_y."""
    p = np.exp(a) / np.exp(a).sum()
    return -np.log(p[y]), p - np.eye(a.size)[y]


@dataclass
class ReferenceNetwork:
    """Weights and biases, the activation of each layer, and the cost of one row."""

    weights: list
    biases: list
    activations: list
    cost: object

    def backpropagate(self, x, y):
        """Return C of one row with its derivatives by every weight and bias."""
        a, z = [x], []
        for weight, bias, name in zip(self.weights, self.biases, self.activations, strict=True):
            z.append(weight.T @ a[-1] + bias)
            a.append(SIGMA[name](z[-1]))
        cost, nabla_a = self.cost(a[-1], y)
        delta = [nabla_a * SIGMA_PRIME[self.activations[-1]](z[-1])]  # BP1
        for layer in reversed(range(len(z) - 1)):
            slope = SIGMA_PRIME[self.activations[layer]](z[layer])
            delta.insert(0, (self.weights[layer + 1] @ delta[0]) * slope)  # BP2
        by_weights = [np.outer(a[layer], delta[layer]) for layer in range(len(z))]  # BP4
        return cost, by_weights, delta  # delta itself is BP3

    def gradients(self, x, y):
        """Return the mean cost of the rows and its derivatives, by chainrule's names."""
        rows = [self.backpropagate(row, target) for row, target in zip(x, y, strict=True)]
        cost = np.mean([row[0] for row in rows])
        found = {}
        for layer in range(len(self.weights)):
            found[f"layers.{layer}.weight"] = np.mean([row[1][layer] for row in rows], axis=0)
            found[f"layers.{layer}.bias"] = np.mean([row[2][layer] for row in rows], axis=0)
        return cost, found

    @property
    def parameters(self):
        """The weights and biases by chainrule's names."""
        pairs = enumerate(zip(self.weights, self.biases, strict=True))
        return {
            f"layers.{i}.{name}": array
            for i, pair in pairs
            for name, array in zip(("weight", "bias"), pair, strict=True)
        }

    def train(self, x, y, update, batch_size, epochs):
        """Return the mean of the batches' costs of each epoch, each row counting once; rows in order."""
        losses = []
        for _ in range(epochs):
            total = 0.0
            for start in range(0, len(x), batch_size):
                rows = slice(start, start + batch_size)
                cost, gradients = self.gradients(x[rows], y[rows])
                total += cost * len(x[rows])
                update(self.parameters, gradients)
            losses.append(total / len(x))
        return losses


# Updates: each changes the arrays where they lie ---------------------------------------------------


def sgd(rate):
    def update(parameters, gradients):
        for name in parameters:
            parameters[name] -= rate * gradients[name]

    return update


def momentum(rate, mu):
    velocity = {}

    def update(parameters, gradients):
        for name in parameters:
            velocity[name] = mu * velocity.get(name, 0) + gradients[name]
            parameters[name] -= rate * velocity[name]

    return update


def adam(rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    m, s, count = {}, {}, [0]

    def update(parameters, gradients):
        count[0] += 1
        for name in parameters:
            g = gradients[name]
            m[name] = beta_1 * m.get(name, 0) + (1 - beta_1) * g
            s[name] = beta_2 * s.get(name, 0) + (1 - beta_2) * g**2
            m_hat, s_hat = m[name] / (1 - beta_1 ** count[0]), s[name] / (1 - beta_2 ** count[0])
            parameters[name] -= rate * m_hat / (np.sqrt(s_hat) + epsilon)

    return update

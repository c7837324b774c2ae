"""The backward pass: how much the loss changes with each parameter, by the chain rule."""

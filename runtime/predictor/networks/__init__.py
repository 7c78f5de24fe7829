"""Networks that are more than a multilayer perceptron: messages between channels, states."""

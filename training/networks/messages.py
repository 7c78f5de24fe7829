"""MiddleOut: messages from reference channels, averaged, beside the own latent."""

import torch
from torch import nn

from runtime.predictor.channel_parameters import REFERENCES
from runtime.predictor.networks.messages import INPUTS

from .quantisation import INPUT_SCALE, activation_scale, dense, integers_of, real_inputs, to_scale

MESSAGE_INPUTS = REFERENCES * INPUTS
"""Inputs of a row that come from reference channels, behind the own features."""


class MiddleOut(nn.Module):
    """Join the own latent with the mean message of four reference channels.

    A message is a layer over the own latent and a reference's latent, which is a layer over that reference's inputs
    (its correlation with the own channel among them).

    Parameters
    ----------
    latent : int
        Size of the own latent.
    reference, message : int
        Sizes of a reference's latent and of a message.
    """

    def __init__(self, latent: int, reference: int, message: int):
        super().__init__()
        self.reference_layer = nn.Linear(INPUTS, reference)
        self.message_layer = nn.Linear(latent + reference, message)
        self.register_buffer("scale", torch.tensor(2.0**-6))

    @property
    def size(self) -> int:
        """Size of a message."""
        return self.message_layer.out_features

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample."""
        return REFERENCES * (self.reference_layer.weight.numel() + self.message_layer.weight.numel())

    def forward(self, latent: torch.Tensor, scale: float, features: torch.Tensor, quantised: bool) -> torch.Tensor:
        """Return [N, own + message] from latents [N, own] and features uint8 [N, 32], all on the latents' scale."""
        message = self.messages(latent, scale, features, quantised)
        return torch.cat([latent, to_scale(message.mean(1), scale, quantised)], 1)

    def messages(self, latent: torch.Tensor, scale: float, features: torch.Tensor, quantised: bool) -> torch.Tensor:
        """Return the messages [N, 4, message]."""
        reference = self.reference_latents(features, scale, quantised)
        both = torch.cat([latent[:, None].expand(-1, REFERENCES, -1), reference], 2)
        return dense(self.message_layer, both, scale, float(self.scale), quantised)

    def reference_latents(self, features: torch.Tensor, scale: float, quantised: bool) -> torch.Tensor:
        """Return the references' latents [N, 4, reference]."""
        inputs = real_inputs(features).reshape(len(features), REFERENCES, INPUTS)
        return dense(self.reference_layer, inputs, INPUT_SCALE, scale, quantised)

    def calibrate(self, latent: torch.Tensor, features: torch.Tensor) -> float:
        """Set the messages' scale from a batch in floats; return the scale that latents and mean message share."""
        message = self.messages(latent, 1.0, features, False)
        self.scale.fill_(activation_scale(message))
        return activation_scale(latent, self.reference_latents(features, 1.0, False), message.mean(1))

    def integers(self, scale: float) -> dict:
        """Return both layers, and the scale of latents and mean message as `output`."""
        message = integers_of(self.message_layer, scale, float(self.scale))
        return {"reference": integers_of(self.reference_layer, INPUT_SCALE, scale), "message": message, "output": scale}

"""Models that keep to the contract."""

import torch
from torch import Tensor, nn

VOCAB_SIZE = 64
CONTEXT = 32


class Honest(nn.Module):
    """Embeddings, causal attention, and a head."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embed = nn.Embedding(VOCAB_SIZE, width)
        self.mix = nn.Linear(width, width)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(width, VOCAB_SIZE, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        x: Tensor = self.embed(inputs)
        attended = nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
        logits: Tensor = self.head(self.drop(x + self.mix(attended)))
        return logits


def tied() -> nn.Module:
    model = Honest()
    model.head.weight = model.embed.weight
    return model


def half() -> nn.Module:
    return Honest().to(torch.bfloat16)


def calm() -> nn.Module:
    """Small logits, which rounding changes by little."""
    model = Honest()
    model.head.weight.data /= 100
    return model


class HalfHead(Honest):
    """A model whose last product works under autocast only."""

    def __init__(self) -> None:
        super().__init__()
        self.head.to(torch.bfloat16)


class Coarse(Honest):
    """A model whose logits are rounded far more than autocast itself does."""

    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        return logits.round() if torch.is_autocast_enabled(inputs.device.type) else logits

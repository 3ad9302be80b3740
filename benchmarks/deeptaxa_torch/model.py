"""DeepTaxa's hybrid model in PyTorch, as its users run it: every sequence is padded to max-length, and
all positions are computed. Written from the published definition; names and shapes of the parameters
are those in the checkpoints of both programs. The reference for the benchmarks, and for the loss
curves of tests/gpu.

Requires only PyTorch (1.13 or later; 2.0 adds its fused attention).
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Sizes:
    """The published sizes, Greengenes2's classes."""
    vocabulary: int = 4096
    pad_id: int = 3
    max_length: int = 512
    embed_dim: int = 896
    num_filters: int = 256
    kernel_sizes: tuple = (3, 5, 7)
    hidden_size: int = 896
    num_hidden_layers: int = 4
    num_attention_heads: int = 7
    intermediate_size: int = 3584
    dropout: float = 0.2
    classes: tuple = (2, 129, 349, 997, 2250, 7287, 16909)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads, self.p = s.num_attention_heads, s.dropout
        self.query = nn.Linear(s.hidden_size, s.hidden_size)
        self.key = nn.Linear(s.hidden_size, s.hidden_size)
        self.value = nn.Linear(s.hidden_size, s.hidden_size)

    def forward(self, x, mask):  # (B, L, H), (B, 1, 1, L) true where a key is real
        q, k, v = (y.unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for y in (self.query(x), self.key(x), self.value(x)))
        p = self.p if self.training else 0.0
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
        else:
            scores = q @ k.transpose(2, 3) * q.shape[3] ** -0.5
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
            y = F.dropout(scores.softmax(3), p, self.training) @ v
        return y.transpose(1, 2).flatten(2)


class Residual(nn.Module):
    """LayerNorm(dropout(dense(x)) + residual)"""

    def __init__(self, s, width):
        super().__init__()
        self.dense = nn.Linear(width, s.hidden_size)
        self.LayerNorm = nn.LayerNorm(s.hidden_size, eps=1e-12)
        self.dropout = nn.Dropout(s.dropout)

    def forward(self, x, residual):
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.attention = nn.ModuleDict({"self": Attention(s), "output": Residual(s, s.hidden_size)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(s.hidden_size, s.intermediate_size)})
        self.output = Residual(s, s.intermediate_size)

    def forward(self, x, mask):
        x = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class Embeddings(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.word_embeddings = nn.Embedding(s.vocabulary, s.hidden_size, padding_idx=0)
        self.position_embeddings = nn.Embedding(s.max_length, s.hidden_size)
        self.token_type_embeddings = nn.Embedding(2, s.hidden_size)
        self.LayerNorm = nn.LayerNorm(s.hidden_size, eps=1e-12)
        self.dropout = nn.Dropout(s.dropout)

    def forward(self, ids):
        places = torch.arange(ids.shape[1], device=ids.device)
        x = (self.word_embeddings(ids) + self.position_embeddings(places)
             + self.token_type_embeddings(torch.zeros_like(ids)))
        return self.dropout(self.LayerNorm(x))


class Hybrid(nn.Module):
    """forward(ids (B, L), lengths (B)) -> list of logits (B, C_r)"""

    def __init__(self, s):
        super().__init__()
        self.embedding = nn.Embedding(s.vocabulary, s.embed_dim, padding_idx=s.pad_id)
        self.conv_stacks = nn.ModuleList([nn.ModuleList(
            nn.Sequential(nn.Conv1d(s.embed_dim, s.num_filters, k, padding=k // 2), nn.ReLU(),
                          nn.Dropout(s.dropout)) for k in s.kernel_sizes)])
        self.bert = nn.ModuleDict({
            "embeddings": Embeddings(s),
            "encoder": nn.ModuleDict({"layer": nn.ModuleList(
                Layer(s) for _ in range(s.num_hidden_layers))}),
            "pooler": nn.ModuleDict({"dense": nn.Linear(s.hidden_size, s.hidden_size)})})
        self.cnn_proj = nn.Linear(s.num_filters * len(s.kernel_sizes), s.hidden_size)
        self.w_cnn = nn.Parameter(torch.ones(1))
        self.w_bert = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(s.dropout)
        self.classifiers = nn.ModuleList(nn.Linear(s.hidden_size, n) for n in s.classes)

    def forward(self, ids, lengths):
        valid = torch.arange(ids.shape[1], device=ids.device)[None, :] < lengths[:, None]
        maps = self.embedding(ids).transpose(1, 2)
        maximum = torch.cat([block(maps) for block in self.conv_stacks[0]], dim=1).amax(dim=2)
        x = self.bert["embeddings"](ids)
        for layer in self.bert["encoder"]["layer"]:
            x = layer(x, valid[:, None, None, :])
        bert = x[:, 0]
        x = self.dropout(self.w_cnn * self.cnn_proj(maximum) + self.w_bert * bert + bert)
        return [head(x) for head in self.classifiers]


def total_loss(logits, labels):
    """Sum over the taxonomic ranks of the mean cross entropy; labels (B, R)."""
    return sum(F.cross_entropy(x.float(), labels[:, r]) for r, x in enumerate(logits))


class Trainer:
    """One training step as published: fp16 autocast with a loss scale on a GPU (or another `dtype`;
    None: fp32), clipping, AdamW, linear warm-up and decay."""

    def __init__(self, model, device, dtype, rate=5e-4, warmup=0, total=1):
        self.model, self.device, self.dtype = model.to(device), device, dtype
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=0.01)
        self.scaler = torch.cuda.amp.GradScaler(init_scale=16384.0,
                                                enabled=dtype == torch.float16)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda t: t / warmup if t < warmup else max(0.0, (total - t) / (total - warmup)))

    def step(self, ids, lengths, labels):
        """Returns the loss, still on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, dtype=self.dtype or torch.bfloat16,
                            enabled=self.dtype is not None):
            loss = total_loss(self.model(ids, lengths), labels)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        return loss.detach()


def padded(sequences, sizes):
    """Lists of ids -> ids (B, L), lengths (B)"""
    ids = torch.full((len(sequences), sizes.max_length), sizes.pad_id)
    for row, tokens in zip(ids, sequences):
        row[:len(tokens)] = torch.tensor(tokens)
    return ids, torch.tensor([len(tokens) for tokens in sequences])

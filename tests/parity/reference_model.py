"""The published definition of the DeepTaxa models, written plainly in PyTorch, in double precision.

It follows docs/model.md, sections 2 and 3, and knows nothing of the C program:
every sequence is padded to max-length L, every position is computed, and autograd does the backward
pass. It is the judge of the parity tests, so it is kept short rather than fast.

Notation: B sequences, L = max_length, E = embed_dim, H = hidden_size, A = heads, C_r = classes of
taxonomic rank r.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    """Architecture and loss of one model; the names are those of the command line."""
    model_type: str = "hybridcnnbert"  # or "bert", "cnn", "kmer"
    encoding: str = "tokens"  # or "onehot": ids 0..3 are A C G T, pad_id (4) is anything else
    vocabulary: int = 4096
    pad_id: int = 3
    max_length: int = 512
    embed_dim: int = 896
    num_filters: int = 256
    kernel_sizes: tuple = (3, 5, 7)
    num_conv_layers: int = 1
    hidden_size: int = 896
    num_hidden_layers: int = 4
    num_attention_heads: int = 7
    intermediate_size: int = 3584
    dropout: float = 0.2
    mask_padding: bool = False
    classes: tuple = (2, 129, 349, 997, 2250, 7287, 16909)
    loss_type: str = "cross_entropy"  # or "focal"
    focal_gamma: float = 2.0
    focal_reduction: str = "mean"  # or "sum"
    kmer_size: int = 7


# ---- encoder --------------------------------------------------------------------------------

BERT_PADDING_ROW = 0  # this row of the word embedding is zero, whatever the tokenizer's [PAD] is


def layer_norm(c):
    return nn.LayerNorm(c.hidden_size, eps=1e-12)


class BertEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.word_embeddings = nn.Embedding(c.vocabulary, c.hidden_size,
                                            padding_idx=BERT_PADDING_ROW)
        self.position_embeddings = nn.Embedding(c.max_length, c.hidden_size)
        self.token_type_embeddings = nn.Embedding(2, c.hidden_size)
        self.LayerNorm = layer_norm(c)
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, ids):  # (B, L) -> (B, L, H)
        x = (self.word_embeddings(ids) + self.position_embeddings(torch.arange(ids.shape[1]))
             + self.token_type_embeddings(torch.zeros_like(ids)))
        return self.dropout(self.LayerNorm(x))


class SelfAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c.num_attention_heads
        self.query = nn.Linear(c.hidden_size, c.hidden_size)
        self.key = nn.Linear(c.hidden_size, c.hidden_size)
        self.value = nn.Linear(c.hidden_size, c.hidden_size)
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, x, key_mask):  # (B, L, H), (B, 1, 1, L) -> (B, L, H)
        def by_head(y):  # (B, L, H) -> (B, A, L, d)
            return y.unflatten(2, (self.heads, -1)).transpose(1, 2)

        q, k, v = by_head(self.query(x)), by_head(self.key(x)), by_head(self.value(x))
        scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5 + key_mask
        return (self.dropout(scores.softmax(dim=3)) @ v).transpose(1, 2).flatten(2)


class AddNorm(nn.Module):
    """Projection, dropout, residual sum, LayerNorm: how both halves of a layer end."""

    def __init__(self, c, width):
        super().__init__()
        self.dense = nn.Linear(width, c.hidden_size)
        self.LayerNorm = layer_norm(c)
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, x, residual):
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class EncoderLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(c),
                                        "output": AddNorm(c, c.hidden_size)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(c.hidden_size, c.intermediate_size)})
        self.output = AddNorm(c, c.intermediate_size)

    def forward(self, x, key_mask):
        x = self.attention["output"](self.attention["self"](x, key_mask), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)  # F.gelu is the erf form


class Bert(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embeddings = BertEmbeddings(c)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(
            EncoderLayer(c) for _ in range(c.num_hidden_layers))})
        # Counted and stored, never used: it gets no gradient.
        self.pooler = nn.ModuleDict({"dense": nn.Linear(c.hidden_size, c.hidden_size)})

    def forward(self, ids, valid):  # (B, L), (B, L) bool -> (B, L, H)
        x = self.embeddings(ids)
        key_mask = torch.zeros(valid.shape).masked_fill(~valid, torch.finfo(x.dtype).min)
        for layer in self.encoder["layer"]:
            x = layer(x, key_mask[:, None, None, :])
        return x


# ---- convolutions ---------------------------------------------------------------------------

def conv_relu(c, channels, width):
    """(B, channels, L) -> (B, F, L), zeros beyond both ends."""
    return nn.Sequential(nn.Conv1d(channels, c.num_filters, width, padding=width // 2),
                         nn.ReLU(), nn.Dropout(c.dropout))


class ResidualConv(nn.Module):
    """The block of the model type cnn: dropout(ReLU(conv(x))) + proj(x)."""

    def __init__(self, c, channels, width):
        super().__init__()
        self.conv = conv_relu(c, channels, width)
        same = channels == c.num_filters
        self.proj = nn.Identity() if same else nn.Conv1d(channels, c.num_filters, 1)

    def forward(self, x):
        return self.conv(x) + self.proj(x)


def conv_stacks(c, block):
    channels = [c.embed_dim] + [c.num_filters * len(c.kernel_sizes)] * (c.num_conv_layers - 1)
    return nn.ModuleList(nn.ModuleList(block(c, n, k) for k in c.kernel_sizes) for n in channels)


def position_maximum(maps, valid, mask_padding):
    """(B, C, L) -> (B, C): over all L positions, or over the real ones only."""
    if mask_padding:
        maps = maps.masked_fill(~valid[:, None, :], -torch.inf)
    return maps.max(dim=2).values


# ---- bag of k-mers --------------------------------------------------------------------------

def kmers(bases, k):
    """The different words of k bases, as numbers in base 4; words with another letter do not count."""
    words = {tuple(bases[i:i + k]) for i in range(len(bases) - k + 1)}
    return sorted(sum(base * 4 ** (k - 1 - at) for at, base in enumerate(word))
                  for word in words if all(base < 4 for base in word))


class Bag(nn.Module):
    """Sum of the embeddings of a sequence's k-mers over the root of their number; ReLU."""

    def __init__(self, c):
        super().__init__()
        self.k = c.kmer_size
        self.weight = nn.Parameter(torch.zeros(4 ** c.kmer_size, c.hidden_size))

    def sums(self, ids, lengths):  # (B, L), (B) -> (B, H)
        rows = [self.weight[kmers(row[:n].tolist(), self.k)] for row, n in zip(ids, lengths)]
        return torch.stack([row.sum(dim=0) / max(len(row), 1) ** 0.5 for row in rows])

    def forward(self, ids, lengths):
        return F.relu(self.sums(ids, lengths))


# ---- the models -----------------------------------------------------------------------------

class Model(nn.Module):
    """forward(ids (B, L), lengths (B)) -> list of logits (B, C_r), parts (vectors on the way)."""

    def __init__(self, c):
        super().__init__()
        self.config = c
        width = c.hidden_size
        if c.model_type == "kmer":
            self.kmer_embedding = Bag(c)
        elif c.model_type != "bert":
            if c.encoding != "onehot":
                self.embedding = nn.Embedding(c.vocabulary, c.embed_dim, padding_idx=c.pad_id)
            self.conv_stacks = conv_stacks(c, ResidualConv if c.model_type == "cnn" else conv_relu)
        if c.model_type not in ("cnn", "kmer"):
            self.bert = Bert(c)
        if c.model_type == "hybridcnnbert":
            self.cnn_proj = nn.Linear(c.num_filters * len(c.kernel_sizes), width)
            self.w_cnn = nn.Parameter(torch.ones(1))
            self.w_bert = nn.Parameter(torch.ones(1))
        if c.model_type == "cnn":
            width = c.num_filters * len(c.kernel_sizes)
            self.classifiers = nn.ModuleList(
                nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(c.dropout),
                              nn.Linear(width, n)) for n in c.classes)
        else:
            self.classifiers = nn.ModuleList(nn.Linear(width, n) for n in c.classes)
        self.dropout = nn.Dropout(c.dropout)

    def cnn_maps(self, ids):
        """(B, L) -> (B, F |K|, L): what the maximum reads."""
        if self.config.encoding == "onehot":
            x = F.one_hot(ids, 5)[:, :, :4].to(torch.get_default_dtype())
        else:
            x = self.embedding(ids)
        x = x.transpose(1, 2)
        for stack in self.conv_stacks:
            x = torch.cat([block(x) for block in stack], dim=1)
        return x

    def forward(self, ids, lengths):
        c, parts = self.config, {}
        valid = torch.arange(ids.shape[1])[None, :] < lengths[:, None]
        if c.model_type not in ("bert", "kmer"):
            parts["maximum"] = position_maximum(self.cnn_maps(ids), valid, c.mask_padding)
        if c.model_type not in ("cnn", "kmer"):
            encoded = self.bert(ids, valid)
        if c.model_type == "hybridcnnbert":
            parts["cnn"] = self.cnn_proj(parts["maximum"])
            parts["bert"] = encoded[:, 0]
            parts["fused"] = (self.w_cnn * parts["cnn"] + self.w_bert * parts["bert"]
                              + parts["bert"])
        elif c.model_type == "bert":
            total = (encoded * valid[:, :, None]).sum(dim=1)
            parts["fused"] = total / lengths.clamp(min=1)[:, None]
        elif c.model_type == "kmer":
            parts["fused"] = self.kmer_embedding(ids, lengths)
        else:
            parts["fused"] = parts["maximum"]
        x = self.dropout(parts["fused"])
        return [head(x) for head in self.classifiers], parts


# ---- batches --------------------------------------------------------------------------------

def truncate(tokens, max_length):
    """The first L tokens, specials included; the last one, [SEP], is kept."""
    return tokens if len(tokens) <= max_length else tokens[:max_length - 1] + tokens[-1:]


def pad(sequences, c):
    """Lists of ids, none longer than L -> ids (B, L), lengths (B)."""
    ids = torch.full((len(sequences), c.max_length), c.pad_id)
    for row, tokens in zip(ids, sequences):
        row[:len(tokens)] = torch.tensor(tokens)
    return ids, torch.tensor([len(tokens) for tokens in sequences])


# ---- loss and optimisation ------------------------------------------------------------------

def rank_loss(c, logits, labels, class_weights=None):
    """Loss of one taxonomic rank: logits (B, C), labels (B), class_weights (C) or None."""
    ce = F.cross_entropy(logits, labels, weight=class_weights, reduction="none")
    if c.loss_type == "focal":
        focal = (1 - torch.exp(-ce)) ** c.focal_gamma * ce
        return focal.sum() if c.focal_reduction == "sum" else focal.mean()
    return ce.mean() if class_weights is None else ce.sum() / class_weights[labels].sum()


def model_loss(c, logits, labels, level_weights, class_weights=None):
    """Level-weighted sum and the losses by taxonomic rank (R); labels (B, R)."""
    by_rank = torch.stack([
        rank_loss(c, x, labels[:, r], class_weights[r] if class_weights else None)
        for r, x in enumerate(logits)])
    return (level_weights * by_rank).sum(), by_rank


def scheduled_rate(rate, step, warmup_steps, total_steps):
    """Learning rate of optimizer step `step`, counted from 0: the first one is 0."""
    if step < warmup_steps:
        return rate * step / warmup_steps
    return rate * (total_steps - step) / (total_steps - warmup_steps)


def train(model, windows, loss_of, settings, before_batch=lambda batch: None):
    """Runs one optimizer step a window (a list of at most accum_steps micro-batches).

    loss_of(model, batch) is a micro-batch's loss. Returns each micro-batch's loss, undivided, and
    each step's learning rate and gradient norm before clipping. settings holds learning_rate,
    beta1, beta2, eps, weight_decay, max_grad_norm, accum_steps and warmup_steps.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"],
                                  betas=(settings["beta1"], settings["beta2"]),
                                  eps=settings["eps"], weight_decay=settings["weight_decay"])
    losses, rates, norms = [], [], []
    for step, window in enumerate(windows):
        rates.append(scheduled_rate(settings["learning_rate"], step, settings["warmup_steps"],
                                    len(windows)))
        optimizer.param_groups[0]["lr"] = rates[-1]
        optimizer.zero_grad(set_to_none=True)
        for batch in window:
            before_batch(batch)
            loss = loss_of(model, batch)
            (loss / settings["accum_steps"]).backward()
            losses.append(loss.item())
        norms.append(nn.utils.clip_grad_norm_(model.parameters(),
                                              settings["max_grad_norm"]).item())
        optimizer.step()
    return losses, rates, norms


if __name__ == "__main__":
    # The published check value: parameters at the default sizes.
    torch.set_default_dtype(torch.float32)
    count = sum(p.numel() for p in Model(Config()).parameters())
    print(f"parameters at the default sizes: {count:,}")
    raise SystemExit(count != 76_365_205)

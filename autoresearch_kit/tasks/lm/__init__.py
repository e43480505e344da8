"""The language-model task: corpora, tokenizer, packed shards, bits per byte."""

"""Stage 3: leaves become a signed Merkle log; statements say what each batch, purge and report was; anyone can check."""

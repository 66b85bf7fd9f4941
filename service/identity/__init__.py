"""Who asks: keys, sessions, tokens of an issuer."""

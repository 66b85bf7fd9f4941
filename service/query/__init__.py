"""What a request asks of a collection: its parameters, read into one `Question` and compiled to SQL."""

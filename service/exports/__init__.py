"""Exports: the rows of a question as a file of one of five formats, and plans as files."""

"""Parsers of the files of acquisition systems: each says where the samples of a file are, and what else it tells.

`table.describe` tries them. A parser is a function from `Found` to `Description`, or None where the file is of another
kind; it raises `ValueError` with a reason where a header contradicts itself or the file. Nothing is lost by a wrong
description: all bytes that are no samples are kept as they are.
"""

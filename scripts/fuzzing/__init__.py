"""Inputs that nobody wrote: what is fuzzed, how inputs are made, and what counts as a finding."""

"""Measuring what the sieve gives: corpora, measures, the experiment and its report."""

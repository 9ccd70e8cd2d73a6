"""The groups of benchmarks, which scripts/bench.py runs."""

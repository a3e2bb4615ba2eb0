"""The project's benchmarks: `make bench`. Read the ratios; the machines that this runs on are noisy."""

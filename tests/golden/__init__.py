"""LR trajectories read off the real libraries, and the script that reads them."""

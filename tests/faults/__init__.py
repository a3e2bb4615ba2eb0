"""A training under every fault: a real client process, a real socket server between, the real service behind it."""

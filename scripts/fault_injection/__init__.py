"""Fault injection: signals, full disks, little memory, invalid input, random configurations, long runs."""

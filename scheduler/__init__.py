"""What happens by the clock: one table of jobs, and the clock."""

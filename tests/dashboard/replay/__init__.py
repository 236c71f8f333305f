"""Plans, journals, runners, and what they survive."""

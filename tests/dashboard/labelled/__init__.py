"""Series whose right answer is known at each time: made ones (`made`) and recorded ones (`recorded`), and their scores.

What is expected follows from what really happened to a queue (`world`), never from what it looks like; a judge sees
only what a broker of some kind would tell of it (`told`).
"""

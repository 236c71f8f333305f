"""Replays: dead letters on their way back, without losing one.

`plan` says what is asked for and what that means (a dry run). `runner` does it in a worker: it leases letters
(`collectors.letters`) in `passes`, which send copies and remove originals as `sorting` decides, writes every step down
first (`journal`), tells how far it is (`telling`), and stops by itself where `guards` and `returns` say so. `deeds` is
what people do with replays; `working` the thread that runs them. Deleting is the same machine without a destination,
and keeps copies (`keeping`).
"""

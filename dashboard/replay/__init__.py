"""Replays: dead letters on their way back, without losing one.

`terms` says what is asked for, `plan` what that means (a dry run), `runner` does it in a worker: it leases letters
(`collectors.letters`), sends copies and removes originals in `passes`, writes every step down first (`journal`),
and stops by itself where `guards` and `returns` say so. `deeds` is what people do with replays; `working` the
thread that runs them. Deleting is the same machine without a destination, and keeps copies (`keeping`).
"""

"""Dead letters: which queues hold them, looking without harm, an index of what looks saw.

One way leads in: `looks` (a person's) and `reader` (by itself, where looking is free) ask a broker, `taking` writes
what they saw into the index. One way leads out: `columns` is the index as columns, `choosing` filters it, `groups`
counts it, `showing` makes one letter readable; `masking` stands before everything that shows a payload.

Live pages: `live` lies below this package and knows nothing of letters, so `view` registers itself there
(`live.others`), as `replay` does.
"""

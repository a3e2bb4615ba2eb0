"""The comparison of an LR that follows a reported metric (ReduceLROnPlateau): replayed tick by tick, in a small state.

`worlds` are the states that the plateau may be in, `reach` is how far it can have come where they are too many,
`following` takes one metric through them, `state` puts the records in their places, `judging` says which metric
explains the LR, `storing` turns it into JSON. `trail` keeps the first ticks, `replaying` takes them through other
schedulers, `fitting` finds those that explain them, `causing` says so.
"""

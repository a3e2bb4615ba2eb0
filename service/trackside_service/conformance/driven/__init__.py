"""The comparison of an LR that follows a reported metric (ReduceLROnPlateau, GreedyLR): replayed in a small state.

`worlds` are the states that the plateau may be in; where they are too many, `reach` and, of GreedyLR, `span` are how
far it can have come (`ranges`). `following` takes one metric through them tick by tick, `state` puts the records in
their places, `judging` says which metric explains the LR, `storing` turns it into JSON. `trail` keeps the first ticks,
`replaying` takes them through other schedulers, `fitting` finds those that explain them, `causing` says so.
"""

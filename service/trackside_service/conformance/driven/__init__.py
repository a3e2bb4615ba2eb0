"""The comparison of an LR that follows a reported metric (ReduceLROnPlateau): replayed tick by tick, in a small state.

`worlds` are the states that the plateau may be in, `following` takes one metric through them, `state` puts the records
in their places, `judging` says which metric explains the LR, `causing` why none does, `storing` turns it into JSON.
"""

"""The verbs of an operator: the same words for the stack of this machine and for one on servers."""

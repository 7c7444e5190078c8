"""Work on the nodes of a Ray cluster (the extra `ray`): connect, check the nodes, run tasks and keep actors.

Ray is imported by `connection` only, and only when a cluster is used.
"""

"""The local web page of ``qks review``: a server for one user on this machine."""

"""How headgate is served over HTTP: the address, who may call, how much of it there may be, and an orderly end."""

"""The demo: a refund triage over three sample tool servers, one by one and as a batch, drawn as timelines."""

"""Everything between clients and upstreams but headgate's own tools: passed through, both ways, in both eras."""

"""Documents that we deliver to, one file a system. Each write is fenced and carries a stamp."""
